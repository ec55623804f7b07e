/**
 * Gathers items and hands them over together, at most once in `everyMs`. The first of a quiet time
 * goes at once, so that a click is answered without delay.
 */
export function batchEvents<T>(
  everyMs: number,
  hand: (items: T[]) => void,
  schedule: (task: () => void, ms: number) => () => void = scheduleTimeout,
): { add: (item: T) => void; stop: () => void } {
  let gathered: T[] = [];
  let cancel: (() => void) | undefined;
  const due = () => {
    cancel = undefined;
    if (gathered.length === 0) return;
    const items = gathered;
    gathered = [];
    cancel = schedule(due, everyMs);
    hand(items);
  };
  return {
    add: (item) => {
      gathered.push(item);
      if (cancel === undefined) due();
    },
    stop: () => {
      cancel?.();
      gathered = [];
    },
  };
}

function scheduleTimeout(task: () => void, ms: number): () => void {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
}
