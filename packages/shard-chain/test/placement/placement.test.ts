import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type Address, addressOf, type ShardId } from "../../src/ledger/address.ts";
import { genesisStates } from "../../src/ledger/genesis.ts";
import { totalBalance } from "../../src/oracles/conservation.ts";
import { brokerSet, mostActive } from "../../src/placement/brokers.ts";
import { type ClpaOptions, runClpa } from "../../src/placement/clpa.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { buildTransferGraph, type Deal } from "../../src/placement/transfer-graph.ts";

describe("the modulo placement", () => {
  it("takes the last 8 hex digits, as BlockEmulator does", () => {
    const address: Address = "0xa1e4380a3b1f749673e270229993ee55f35663b4";
    expect(modulo(16).shardOf(address)).toBe(4);
    expect(modulo(7).shardOf(address)).toBe(0xf35663b4 % 7);
    expect(() => modulo(0)).toThrow(/1 or more/);
  });
});

/** CLPA as its rules are written: no incremental loads, no typed arrays. */
function naiveClpa(deals: readonly Deal[], shardCount: number, options: Required<ClpaOptions>) {
  const edges = deals.filter(([one, other]) => one !== other);
  const accounts = [...new Set(edges.flat())].sort();
  const shardOf = new Map(
    accounts.map((account) => [account, modulo(shardCount).shardOf(account)]),
  );
  const at = (account: Address) => shardOf.get(account) as ShardId;
  const moves = new Map<Address, number>();
  const load = (shard: ShardId) =>
    edges.filter(([one, other]) => at(one) === shard || at(other) === shard).length;
  for (let round = 0; round < options.iterations; round++) {
    for (const v of accounts) {
      if ((moves.get(v) ?? 0) >= options.movesMax) continue;
      const partners = edges.flatMap(([one, other]) =>
        one === v ? [other] : other === v ? [one] : [],
      );
      const loads = Array.from({ length: shardCount }, (_, shard) => load(shard));
      const least = Math.max(1, Math.min(...loads));
      const score = (shard: ShardId) =>
        (partners.filter((partner) => at(partner) === shard).length / partners.length) *
        (1 - (options.beta * (loads[shard] as number)) / least);
      const others = loads
        .map((_, shard) => shard)
        .filter((shard) => {
          return shard !== at(v) && partners.some((partner) => at(partner) === shard);
        });
      const candidates = options.mayStay ? [at(v), ...others] : others;
      const best = candidates.reduce<ShardId | undefined>(
        (now, shard) => (now === undefined || score(shard) > score(now) ? shard : now),
        undefined,
      );
      const isLast = accounts.filter((account) => at(account) === at(v)).length <= 1;
      if (best === undefined || best === at(v) || isLast) continue;
      shardOf.set(v, best);
      moves.set(v, (moves.get(v) ?? 0) + 1);
    }
  }
  const crossDeals = edges.filter(([one, other]) => at(one) !== at(other)).length;
  return { shardOf, crossDeals };
}

/** Deals mostly within groups of accounts. */
function groupedDeals(prng: Prng, groups: number, count: number): Deal[] {
  const name = (group: number) => addressOf(`${group}/${prng.nextInt(6)}`);
  return Array.from({ length: count }, () => {
    const group = prng.nextInt(groups);
    return [name(group), name(prng.chance(0.9) ? group : prng.nextInt(groups))];
  });
}

describe("CLPA", () => {
  it("moves accounts as its written rules do, over many graphs", () => {
    for (let seed = 0; seed < 12; seed++) {
      const prng = createPrng(seed);
      const deals = groupedDeals(prng, 4, 40);
      const shards = 2 + prng.nextInt(3);
      const options = { beta: 0.5, iterations: 6, movesMax: 4, mayStay: seed % 2 === 0 };
      const expected = naiveClpa(deals, shards, options);
      const result = runClpa(buildTransferGraph(deals), modulo(shards), options);
      expect(result.crossDeals).toBe(expected.crossDeals);
      for (const [account, shard] of expected.shardOf) {
        expect(result.placement.shardOf(account)).toBe(shard);
        expect(result.moved.has(account)).toBe(shard !== modulo(shards).shardOf(account));
      }
    }
  });

  it("does not depend on the order of the deals", () => {
    const deals = groupedDeals(createPrng(1), 5, 200);
    const once = runClpa(buildTransferGraph(deals), modulo(4));
    const shuffled = createPrng(2)
      .shuffle(deals)
      .map(([one, other]): Deal => [other, one]);
    const again = runClpa(buildTransferGraph(shuffled), modulo(4));
    expect([...again.moved].sort()).toEqual([...once.moved].sort());
  });

  it("brings groups that deal among themselves together, where accounts may stay", () => {
    const deals = groupedDeals(createPrng(3), 8, 2000);
    const crossing = (shardOf: (address: Address) => ShardId) =>
      deals.filter(([one, other]) => shardOf(one) !== shardOf(other)).length;
    const { placement, crossDeals } = runClpa(buildTransferGraph(deals), modulo(4), {
      mayStay: true,
    });
    expect(crossDeals).toBe(crossing(placement.shardOf));
    expect(crossDeals).toBeLessThan(crossing(modulo(4).shardOf) / 2);
  });
});

describe("broker sets", () => {
  const [a, b, c] = ["a", "b", "c"].map(addressOf) as [Address, Address, Address];

  it("take the most active accounts and pick one by the transaction", () => {
    expect(mostActive([[a, b], [b, c], [b], [c]], 2)).toEqual([b, c]);
    const set = brokerSet([b, c, b]);
    expect(set.brokers).toEqual([b, c]);
    expect([a, b].map(set.isBroker)).toEqual([false, true]);
    const picked = ["0", "1", "2", "3"].map((digit) => set.brokerFor(digit.padStart(12, "0")));
    expect(picked).toEqual([b, c, b, c]);
    expect(() => brokerSet([])).toThrow(/at least one/);
  });

  it("have a share of their balance on every shard, and all of it together", () => {
    const accounts = [a, b].map((address) => ({ address, balance: 100n }));
    const states = genesisStates(accounts, modulo(3), new Set([b]));
    expect(states.map((state) => state.account(b).balance).sort()).toEqual([33n, 33n, 34n]);
    expect(states.reduce((sum, state) => sum + totalBalance(state), 0n)).toBe(200n);
    expect(() => genesisStates([...accounts, ...accounts], modulo(3))).toThrow(/twice/);
  });
});
