import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventQueue, type QueuedEvent } from "../src/index.ts";

/** The oracle: a list that is searched from end to end. */
class NaiveQueue {
  readonly #list: { atMs: number; value: number; order: number }[] = [];
  #pushed = 0;

  push(atMs: number, value: number): void {
    this.#list.push({ atMs, value, order: this.#pushed++ });
  }
  next(): { atMs: number; value: number } | undefined {
    return [...this.#list].sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
  }
  pop(): { atMs: number; value: number } | undefined {
    const next = this.next();
    if (next !== undefined) this.cancel(next.value);
    return next;
  }
  cancel(value: number): boolean {
    const at = this.#list.findIndex((entry) => entry.value === value);
    if (at >= 0) this.#list.splice(at, 1);
    return at >= 0;
  }
  get size(): number {
    return this.#list.length;
  }
}

type Step = { do: "push"; atMs: number } | { do: "pop" } | { do: "cancel"; which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  // Few distinct times, so that ties are common.
  { weight: 5, arbitrary: fc.record({ do: fc.constant("push" as const), atMs: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pop" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(400) }) },
);

describe("EventQueue", () => {
  it("does what a sorted list does, over any sequence of pushes, pops and cancellations", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = new EventQueue<number>();
        const naive = new NaiveQueue();
        const handles: QueuedEvent<number>[] = [];
        for (const one of steps) {
          if (one.do === "push") {
            naive.push(one.atMs, handles.length);
            handles.push(queue.push(one.atMs, handles.length));
          } else if (one.do === "pop") {
            expect(queue.pop()?.value).toBe(naive.pop()?.value);
          } else {
            const handle = handles[one.which % Math.max(handles.length, 1)];
            if (handle !== undefined) {
              expect(queue.cancel(handle)).toBe(naive.cancel(handle.value));
            }
          }
          expect(queue.size).toBe(naive.size);
          expect(queue.peek()?.value).toBe(naive.next()?.value);
        }
        while (naive.size > 0) expect(queue.pop()?.value).toBe(naive.pop()?.value);
        expect(queue.pop()).toBeUndefined();
      }),
      { seed: 20261123, numRuns: 400 },
    );
  });

  it("gives equal times back in the order they were pushed", () => {
    const queue = new EventQueue<number>();
    for (let i = 0; i < 1_000; i++) queue.push(7, i);
    const order = Array.from({ length: 1_000 }, () => queue.pop()?.value);
    expect(order).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  });

  it("does not cancel an event of another queue, nor one twice", () => {
    const queue = new EventQueue<string>();
    const other = new EventQueue<string>();
    const mine = queue.push(1, "mine");
    const theirs = other.push(1, "theirs");
    expect(queue.cancel(theirs)).toBe(false);
    expect(queue.cancel(mine)).toBe(true);
    expect(queue.cancel(mine)).toBe(false);
    expect(other.size).toBe(1);
  });
});
