import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import {
  calibrateCrypto,
  contributeToEpoch,
  createVrfKey,
  dealShards,
  epochSeed,
  shardFailureProbability,
} from "../../src/crypto/index.ts";

const seeds = Array.from({ length: 400 }, (_, i) => {
  const prng = createPrng(i, "epoch");
  return Array.from({ length: 8 }, () => prng.nextUint32().toString(16).padStart(8, "0")).join("");
});
const nodes = Array.from({ length: 14 }, (_, i) => 100 + i);

describe("the randomness of an epoch", () => {
  const keys = [1, 2, 3].map((i) => createVrfKey(new Uint8Array(32).fill(i)));
  const publicKeyOf = (node: number) => keys[node]?.publicKey;
  const shares = keys.map((key, node) => contributeToEpoch(node, key, 5, "aa"));

  it("is the same whoever combines the shares, in whatever order", () => {
    const seed = epochSeed(5, "aa", shares, publicKeyOf);
    expect(seed).toMatch(/^[0-9a-f]{64}$/);
    expect(epochSeed(5, "aa", [...shares].reverse(), publicKeyOf)).toBe(seed);
    expect(epochSeed(5, "aa", [...shares, ...shares], publicKeyOf)).toBe(seed);
  });

  it("counts no share for another epoch, of another node or of a stranger", () => {
    const two = epochSeed(5, "aa", shares.slice(0, 2), publicKeyOf);
    const [first, second, third] = shares;
    if (!first || !second || !third) throw new Error("three shares are needed");
    const stolen = { node: 2, proof: first.proof };
    const stranger = { node: 9, proof: third.proof };
    expect(epochSeed(5, "aa", [first, second, stolen, stranger], publicKeyOf)).toBe(two);
    expect(epochSeed(6, "aa", shares, publicKeyOf)).toBeUndefined();
    expect(epochSeed(5, "ab", shares, publicKeyOf)).toBeUndefined();
  });
});

describe("dealShards", () => {
  it("deals every node once, to shards of equal size", () => {
    for (const seed of seeds.slice(0, 50)) {
      const dealt = dealShards(seed, nodes, 4);
      expect(dealt.flat().sort((a, b) => a - b)).toEqual(nodes);
      expect(dealt.map(({ length }) => length)).toEqual([4, 4, 3, 3]);
      expect(dealShards(seed, [...nodes].reverse(), 4)).toEqual(dealt);
    }
  });

  it("puts faulty nodes together as often as drawing without replacement does", () => {
    const faulty = new Set(nodes.slice(0, 4));
    let failed = 0;
    for (const seed of seeds) {
      for (const shard of dealShards(seed, nodes, 2)) {
        if (3 * shard.filter((node) => faulty.has(node)).length >= shard.length) failed++;
      }
    }
    const expected = shardFailureProbability(14, 4, 7);
    const draws = 2 * seeds.length;
    // Shards of one deal depend on each other: twice the binomial's deviation is allowed for.
    const deviation = Math.sqrt(2 * draws * expected * (1 - expected));
    expect(Math.abs(failed - draws * expected)).toBeLessThan(4 * deviation);
  });
});

describe("shardFailureProbability", () => {
  it("is the share of shards with a third or more of faulty nodes, counted one by one", () => {
    const all: number[][] = [];
    for (let mask = 0; mask < 2 ** 12; mask++) {
      const members = Array.from({ length: 12 }, (_, i) => i).filter((i) => (mask >> i) & 1);
      if (members.length === 6) all.push(members);
    }
    for (const faulty of [0, 1, 2, 3, 5]) {
      const failed = all.filter((shard) => shard.filter((i) => i < faulty).length >= 2);
      expect(shardFailureProbability(12, faulty, 6)).toBeCloseTo(failed.length / all.length, 12);
    }
    expect(shardFailureProbability(2_000, 500, 600)).toBeLessThan(1e-5);
  });
});

describe("calibrateCrypto", () => {
  it("measures every operation by the clock it is given", () => {
    let reads = 0;
    const costs = calibrateCrypto({ nowMs: () => reads++ }, 2);
    expect(Object.keys(costs)).toEqual(["sign", "verify", "vrf-prove", "vrf-verify"]);
    expect(costs.sign).toBe(0.5);
    expect(costs["vrf-prove"]).toBe(1);
  });
});
