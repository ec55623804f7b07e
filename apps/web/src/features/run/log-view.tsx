"use client";

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { cn } from "@/ui/cn.ts";
import { formatClock } from "@/ui/format/time.ts";
import { ScrollRegion } from "@/ui/scroll-region.tsx";
import type { LogLineRow } from "./log-lines.ts";

const LEVEL_TONES: Record<LogLineRow["level"], string> = {
  debug: "text-muted",
  info: "",
  warn: "text-warn",
  error: "text-bad",
};

/** Log lines, of which only the visible ones are drawn. Scrolling up stops the following. */
export function LogView({
  lines,
  follow,
  onLeaveEnd,
}: {
  lines: LogLineRow[];
  follow: boolean;
  onLeaveEnd: () => void;
}) {
  const scroller = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 20,
    overscan: 30,
    getItemKey: (index) => lines[index]?.no ?? index,
  });
  const last = lines.at(-1)?.no;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last line is what to follow
  useEffect(() => {
    if (follow) virtual.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follow, last]);
  return (
    <ScrollRegion
      ref={scroller}
      label="Log lines"
      // As high as its lines, and at most what the window has left under the page's head.
      style={{ height: `min(${virtual.getTotalSize() + 2}px, max(18rem, 100dvh - 20rem))` }}
      onWheel={(event) => event.deltaY < 0 && onLeaveEnd()}
      onKeyDown={(event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && onLeaveEnd()}
      className="overflow-auto rounded-lg border border-line bg-panel font-mono text-xs leading-5"
    >
      <ol className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (line === undefined) return null;
          return (
            <li
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className={cn("absolute inset-x-0 top-0 flex gap-3 px-3", LEVEL_TONES[line.level])}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <span className="w-10 shrink-0 text-right text-muted select-none">{line.no}</span>
              <span className="shrink-0 text-muted select-none">{formatClock(line.t)}</span>
              {line.level !== "info" && <span className="shrink-0">{line.level}</span>}
              <span className="min-w-0 flex-1 break-words whitespace-pre-wrap">{line.text}</span>
            </li>
          );
        })}
      </ol>
    </ScrollRegion>
  );
}
