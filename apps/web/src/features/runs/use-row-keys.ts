"use client";

import { useEffect, useRef, useState } from "react";
import { rowAfterKey } from "./row-after-key.ts";

/** Walks rows by key wherever the focus is, except in fields, menus and dialogs. */
export function useRowKeys(table: {
  count: number;
  open: (index: number) => void;
  show: (index: number) => void;
}): number | null {
  const [selected, setSelected] = useState<number | null>(null);
  const latest = useRef({ table, selected });
  latest.current = { table, selected };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const busy = "input, textarea, select, [role=menu], [role=dialog]";
      if (event.metaKey || event.ctrlKey || event.altKey || target.closest(busy) !== null) return;
      const now = latest.current;
      if (event.key === "Enter") {
        // Enter on a link or a button is that one's own.
        if (target.closest("a, button") !== null || now.selected === null) return;
        event.preventDefault();
        now.table.open(now.selected);
        return;
      }
      const next = rowAfterKey(event.key, now.selected, now.table.count);
      if (next === null) return;
      event.preventDefault();
      setSelected(next);
      now.table.show(next);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  return selected;
}
