"use client";

import { type ReactNode, useState } from "react";
import { cn } from "@/ui/cn.ts";

export interface LegendEntry {
  name: string;
  /** What it is turned off by, where that is not its name. */
  id?: string;
  /** The sign that stands for it in the picture. */
  sign: ReactNode;
  /** Its value where the reader points. */
  value?: string;
  /** Characters kept free for the value, so that nothing moves when there is one. */
  valueSpace?: number;
}

/** The parts of a picture that the reader has turned off, by their names. */
export function useHidden(): [ReadonlySet<string>, (name: string) => void] {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const toggle = (name: string) =>
    setHidden((before) => {
      const after = new Set(before);
      if (!after.delete(name)) after.add(name);
      return after;
    });
  return [hidden, toggle];
}

/** Where those lie that are not turned off, by their index. */
export function indicesShown(
  named: readonly { name: string }[],
  hidden: ReadonlySet<string>,
): number[] {
  return named.flatMap(({ name }, at) => (hidden.has(name) ? [] : [at]));
}

/** What the colours and signs mean; each entry turns its part of the picture on and off. */
export function Legend({
  entries,
  hidden,
  toggle,
}: {
  entries: readonly LegendEntry[];
  hidden: ReadonlySet<string>;
  toggle: (name: string) => void;
}) {
  return entries.map(({ name, id = name, sign, value, valueSpace = 0 }) => {
    const isOff = hidden.has(id);
    return (
      <button
        key={id}
        type="button"
        aria-pressed={!isOff}
        onClick={() => toggle(id)}
        className={cn(
          "inline-flex min-w-0 items-center gap-1.5 text-left",
          // Only the sign fades: faded text would be too hard to read.
          isOff && "line-through *:first:opacity-35",
        )}
      >
        {sign}
        <span className="min-w-0 break-words text-muted">{name}</span>
        {(value !== undefined || valueSpace > 0) && (
          <span className="whitespace-nowrap" style={{ minWidth: `${valueSpace}ch` }}>
            {value}
          </span>
        )}
      </button>
    );
  });
}

/** A piece of a line. */
export function LineSign({
  color,
  dash,
  width = 14,
}: {
  color: string | undefined;
  dash: readonly number[] | undefined;
  width?: number;
}) {
  return (
    <svg width={width} height="6" aria-hidden="true" className="shrink-0">
      <line
        x1="0"
        y1="3"
        x2={width}
        y2="3"
        strokeWidth="2.5"
        stroke={color}
        strokeDasharray={dash?.join(" ")}
      />
    </svg>
  );
}
