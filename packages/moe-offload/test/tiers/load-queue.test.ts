import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { LoadQueue, loadQueueLength } from "../../src/tiers/load-queue.ts";
import { SLOT, SlotStates } from "../../src/tiers/slot-states.ts";

const CAPACITY = 8;

function queueFrom(position: number): LoadQueue {
  const words = new Int32Array(new SharedArrayBuffer(4 * loadQueueLength(CAPACITY)));
  words[0] = position;
  words[1] = position;
  return new LoadQueue(words);
}

describe("a queue of loads", () => {
  // The second begins just before positions wrap.
  it.each([0, 2 ** 31 - 5])("gives what is valid back in order, from position %d on", (from) => {
    for (let seed = 0; seed < 10; seed++) {
      const random = createPrng(seed, "queue");
      const queue = queueFrom(from);
      const valid = new Map<number, number>();
      let expected: { slot: number; ticket: number }[] = [];
      const isValid = (slot: number, ticket: number) => valid.get(slot) === ticket;
      for (let ticket = 1; ticket <= 300; ticket++) {
        // Half as many slots as places, as in a lane.
        const slot = random.nextInt(CAPACITY / 2);
        // Whatever waited for the slot is void now, but stays in the queue.
        valid.set(slot, ticket);
        queue.push(slot, ticket, isValid);
        expected = [...expected.filter((entry) => entry.slot !== slot), { slot, ticket }];
        if (random.chance(0.2)) {
          const takes = random.nextInt(4);
          for (let i = 0; i < takes; i++) takeValid();
        }
      }
      while (expected.length > 0) takeValid();
      while (queue.take()) expect(isValid(queue.slot, queue.ticket)).toBe(false);
      expect(queue.isEmpty).toBe(true);

      function takeValid(): void {
        const next = expected.shift();
        if (next === undefined) return;
        while (queue.take() && !isValid(queue.slot, queue.ticket));
        expect({ slot: queue.slot, ticket: queue.ticket }).toEqual(next);
        valid.delete(next.slot);
      }
    }
  });
});

describe("states of slots", () => {
  it("change only for the load that is meant, also after the ticket has wrapped", () => {
    const words = new Int32Array(new SharedArrayBuffer(8));
    // Two loads before the end of 29 bits.
    words[1] = ((2 ** 29 - 2) << 3) | SLOT.ready;
    const states = new SlotStates(words);
    const tickets = [1, 2, 3].map(() => {
      const ticket = states.submit(1, SLOT.prefetchQueued);
      expect(states.isLoad(1, ticket, SLOT.prefetchQueued)).toBe(true);
      return ticket;
    });
    expect(tickets).toEqual([2 ** 29 - 1, 0, 1]);
    expect(states.change(1, 0, SLOT.prefetchQueued, SLOT.running)).toBe(false);
    expect(states.change(1, 1, SLOT.demandQueued, SLOT.running)).toBe(false);
    expect(states.change(1, 1, SLOT.prefetchQueued, SLOT.running)).toBe(true);
    expect(states.state(1)).toBe(SLOT.running);
    expect(states.state(0)).toBe(SLOT.idle);
  });
});
