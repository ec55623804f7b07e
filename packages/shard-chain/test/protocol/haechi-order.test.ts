import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { compareProcessed, type ProcessedPlace } from "../../src/oracles/processing-order.ts";
import {
  type BeaconState,
  emptyBeacon,
  takeCrossLink,
  takeOrdered,
} from "../../src/protocol/haechi-beacon.ts";
import type { CrossLinkData } from "../../src/protocol/haechi-messages.ts";

/** A CrossLink and the shard that sends it. */
interface SentLink {
  readonly shard: number;
  readonly link: CrossLinkData;
}

describe("the beacon's order", () => {
  it("is that of processing, however CrossLinks of different shards overtake each other", () => {
    for (let seed = 0; seed < 150; seed++) {
      const prng = createPrng(seed, "order");
      const shards = 1 + prng.nextInt(6);
      const chains = Array.from({ length: shards }, (_, shard) => drawChain(shard, prng));
      const expected = chains.flat().flatMap(placesOf).sort(compareProcessed);
      // Everybody ends with an idle block later than all others.
      for (const chain of chains) chain.push(idleLink(chain, 1e6));
      for (const order of ["one", "other"]) {
        const found = deliver(chains, createPrng(seed, order));
        expect(found, `seed ${seed}`).toEqual(expected);
      }
    }
  });

  it("is not held up by a shard that has nothing to process", () => {
    const state = emptyBeacon();
    takeCrossLink(state, link(1, 100, 2), 0);
    expect(takeOrdered(state, 2)).toEqual([]);
    takeCrossLink(state, link(1, 150, 0), 1);
    expect(takeOrdered(state, 2)).toHaveLength(2);
  });

  it("waits for a slow shard, and puts what that one processed first before the rest", () => {
    const state = emptyBeacon();
    takeCrossLink(state, link(1, 50, 0), 1);
    for (let height = 1; height <= 20; height++) {
      takeCrossLink(state, link(height, 100 * height, 1), 0);
      expect(takeOrdered(state, 2)).toEqual([]);
    }
    takeCrossLink(state, link(2, 350, 1), 1);
    const places = takeOrdered(state, 2).map(({ at }) => at);
    expect(places.map(({ timestampMs }) => timestampMs)).toEqual([100, 200, 300, 350]);
    expect(state.queued).toHaveLength(17);
  });

  it("keeps two blocks of one shard apart that bear the same time", () => {
    const state = emptyBeacon();
    takeCrossLink(state, link(1, 100, 2), 0);
    takeCrossLink(state, link(1, 100, 1), 1);
    // Shard 0 may make another block of that time: its transactions come before shard 1's.
    expect(takeOrdered(state, 2).map(({ at }) => at.shard)).toEqual([0, 0]);
    takeCrossLink(state, link(2, 100, 1), 0);
    takeCrossLink(state, link(2, 200, 0), 1);
    takeCrossLink(state, link(3, 200, 0), 0);
    const places = takeOrdered(state, 2).map(({ at }) => [at.shard, at.height, at.index]);
    expect(places).toEqual([
      [0, 2, 0],
      [1, 1, 0],
    ]);
  });

  it("goes on only with the last piece of a CrossLink", () => {
    const state = emptyBeacon();
    takeCrossLink(state, link(1, 300, 1), 1);
    takeCrossLink(state, { ...link(1, 200, 2), isLast: false }, 0);
    expect(takeOrdered(state, 2)).toEqual([]);
    const [, , third] = link(1, 200, 3).entries;
    takeCrossLink(state, { ...link(1, 200, 0), entries: third === undefined ? [] : [third] }, 0);
    expect(takeOrdered(state, 2).map(({ at }) => at.index)).toEqual([0, 1, 2]);
  });
});

function link(height: number, timestampMs: number, count: number): CrossLinkData {
  const entries = Array.from({ length: count }, (_, index) => {
    return { index, txId: `${height}/${index}`, parts: [] };
  });
  return { height, timestampMs, isLast: true, entries };
}

/** Blocks of a shard: many idle, some with the time of the one before, as fast as it likes. */
function drawChain(shard: number, prng: Prng): SentLink[] {
  const paceMs = 1 + prng.nextInt(40);
  let timestampMs = prng.nextInt(20);
  return Array.from({ length: 1 + prng.nextInt(12) }, (_, i) => {
    timestampMs += prng.nextInt(paceMs);
    return { shard, link: link(i + 1, timestampMs, prng.chance(0.4) ? 0 : prng.nextInt(5)) };
  });
}

function idleLink(chain: readonly SentLink[], timestampMs: number): SentLink {
  const shard = chain[0]?.shard ?? 0;
  return { shard, link: link(chain.length + 1, timestampMs, 0) };
}

function placesOf({ shard, link: { height, timestampMs, entries } }: SentLink): ProcessedPlace[] {
  return entries.map(({ index }) => ({ timestampMs, shard, height, index }));
}

/** Hands the CrossLinks to a beacon, shards in any order, and lets it order now and then. */
function deliver(chains: readonly (readonly SentLink[])[], prng: Prng): ProcessedPlace[] {
  const state: BeaconState = emptyBeacon();
  const left = chains.map((chain) => [...chain]);
  const found: ProcessedPlace[] = [];
  while (left.some(({ length }) => length > 0)) {
    const [next] = prng.shuffle(left.filter(({ length }) => length > 0));
    const sent = next?.shift() as SentLink;
    takeCrossLink(state, sent.link, sent.shard);
    if (prng.chance(0.3)) found.push(...takeOrdered(state, chains.length).map(({ at }) => at));
  }
  found.push(...takeOrdered(state, chains.length).map(({ at }) => at));
  return found;
}
