"use client";

import { useSyncExternalStore } from "react";
import { formatAgo, formatDateTime, formatDuration } from "@/ui/format/time.ts";

let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for the whole page: every relative time turns over in the same tick. */
function subscribe(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const told of watchers) told();
  }, 1_000);
  return () => {
    watchers.delete(watcher);
    if (watchers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** The current time in ms, refreshed every second. */
export function useNow(): number {
  return useSyncExternalStore(
    subscribe,
    () => now,
    () => now,
  );
}

/** How long ago something was, with the exact time on hover. */
export function Ago({ at }: { at: Date }) {
  return (
    <time dateTime={at.toISOString()} title={formatDateTime(at)} className="whitespace-nowrap">
      {formatAgo(at, new Date(useNow()))}
    </time>
  );
}

/** A duration that counts while `end` is missing. */
export function Elapsed({ start, end }: { start: Date | null; end: Date | null }) {
  if (start === null) return <span>–</span>;
  if (end !== null) return <span>{formatDuration(end.getTime() - start.getTime())}</span>;
  return <Counting start={start} />;
}

function Counting({ start }: { start: Date }) {
  return <span>{formatDuration(Math.max(0, useNow() - start.getTime()))}</span>;
}
