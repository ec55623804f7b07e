import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { executeTransaction } from "../../src/ledger/execution.ts";
import { genesisStates } from "../../src/ledger/genesis.ts";
import { totalBalance } from "../../src/oracles/conservation.ts";
import { modulo } from "../../src/placement/modulo.ts";
import {
  burstArrivals,
  poissonArrivals,
  replayArrivals,
  schedule,
} from "../../src/workloads/arrivals.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions, MEASURED } from "../../src/workloads/generator-options.ts";
import { smallBank } from "../../src/workloads/smallbank.ts";
import { measureStatistics } from "../../src/workloads/statistics.ts";
import { touchesOf } from "../../src/workloads/touches.ts";
import type { Workload } from "../../src/workloads/workload.ts";
import { ycsb } from "../../src/workloads/ycsb.ts";
import { createZipf } from "../../src/workloads/zipf.ts";

/** Runs a workload on one state: how its transactions ended, and what was burned. */
function runAll(workload: Workload) {
  const [genesis] = genesisStates(workload.genesis(), modulo(1));
  if (genesis === undefined) throw new Error("one shard has one state");
  const draft = genesis.draft();
  const ended: Record<string, number> = {};
  let burned = 0n;
  for (const transaction of workload.transactions()) {
    const { status, reason } = executeTransaction(draft, transaction);
    if (status !== "refused") burned += transaction.fee;
    const name = reason ?? status;
    ended[name] = (ended[name] ?? 0) + 1;
  }
  const state = draft.commit();
  expect(totalBalance(state) + burned).toBe(totalBalance(genesis));
  return { ended, root: state.rootHex };
}

describe("the Zipf sampler", () => {
  it("draws ranks as often as their weights say", () => {
    const sampler = createZipf({ count: 20, exponent: 1.2, offset: 2 });
    const prng = createPrng(4);
    const draws = 40_000;
    const counts = new Array<number>(20).fill(0);
    for (let i = 0; i < draws; i++) {
      const rank = sampler.sample(prng);
      counts[rank] = (counts[rank] as number) + 1;
    }
    const weights = counts.map((_, rank) => (rank + 3) ** -1.2);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    // Chi-square with 19 degrees of freedom: 43.8 is exceeded once in a thousand times.
    const chiSquare = weights.reduce((sum, weight, rank) => {
      const expected = (draws * weight) / total;
      return sum + ((counts[rank] as number) - expected) ** 2 / expected;
    }, 0);
    expect(chiSquare).toBeLessThan(43.8);
  });

  it("refuses what has no distribution", () => {
    expect(() => createZipf({ count: 0, exponent: 1 })).toThrow(/count/);
    expect(() => createZipf({ count: 1, exponent: -1 })).toThrow(/exponent/);
  });
});

describe("the fitted generator", () => {
  const size = 12_000;
  const options = fittedOptions(size);

  it("meets the measured statistics", () => {
    const found = measureStatistics([...touchesOf(generatedWorkload(options, 1).transactions())]);
    const figures = { ...found, accountsPerTx: found.accounts / found.transactions };
    // Half the measured size and one seed: 42 episodes only, so their accounts scatter widely.
    const tolerance: Record<keyof typeof MEASURED, number> = {
      plainShare: 0.15,
      accountsPerTx: 0.12,
      topAccountShare: 0.7,
      top10TouchesPerTx: 0.35,
      top100TouchesPerTx: 0.2,
      topPercentTouchShare: 0.1,
      zipfSlope: 0.35,
      conflictShare: 0.12,
      chainShare: 0.25,
      inputBytesMean: 0.3,
    };
    for (const name of Object.keys(MEASURED) as (keyof typeof MEASURED)[]) {
      const miss = Math.abs(figures[name] / MEASURED[name] - 1);
      expect(miss, `${name}: ${figures[name]} for ${MEASURED[name]}`).toBeLessThan(tolerance[name]);
    }
    for (const [shards, ratio] of Object.entries(found.crossRatio)) {
      expect(Math.abs(ratio - (1 - 1 / Number(shards)))).toBeLessThan(0.06);
    }
  });

  it("is the same for the same seed, another for another, and every transaction succeeds", () => {
    const small = { ...options, transactions: 500 };
    const once = runAll(generatedWorkload(small, 7));
    expect(once.ended).toEqual({ done: 500 });
    expect(runAll(generatedWorkload(small, 7)).root).toBe(once.root);
    expect(runAll(generatedWorkload(small, 8)).root).not.toBe(once.root);
  });

  it("turns its dials", () => {
    const small = { ...options, transactions: 1500 };
    const measure = (dials: Partial<typeof options>) =>
      measureStatistics([
        ...touchesOf(generatedWorkload({ ...small, ...dials }, 1).transactions()),
      ]);
    const plain = measure({});
    expect(measure({ burstShare: 0 }).chainShare).toBeLessThan(plain.chainShare / 2);
    const calls = measure({ callShare: 1, burstShare: 0, accountsPerCall: [0, 0, 1] });
    expect(calls.plainShare).toBe(0);
    expect(calls.crossRatio[2]).toBeGreaterThan(0.8);
    const hot = measure({ callShare: 1, burstShare: 0, hotContractShare: 0.9 });
    expect(hot.topAccountShare).toBeGreaterThan(0.85);
    const { ended } = runAll(generatedWorkload({ ...small, underfundedShare: 1 }, 1));
    expect(ended.done ?? 0).toBeLessThan(1500);
    expect(() => measure({ burstShare: 1.1 })).toThrow(/burstShare must be/);
    expect(() => measure({ accountsPerCall: [] })).toThrow(/accountsPerCall/);
  });
});

describe("SmallBank", () => {
  it("conserves money over all its operations, and mostly succeeds", () => {
    const options = { transactions: 800, customers: 20, zipfExponent: 0.9, initialWei: 500n };
    const { ended } = runAll(smallBank(options, 2));
    expect(ended.done ?? 0).toBeGreaterThan(400);
    expect(Object.keys(ended).every((name) => ["done", "insufficientBalance"].includes(name))).toBe(
      true,
    );
  });

  it("keeps to its weights", () => {
    const only = smallBank(
      { transactions: 50, customers: 5, zipfExponent: 0, weights: [1, 0, 0, 0, 0, 0] },
      1,
    );
    for (const { steps } of only.transactions()) {
      expect(steps.map(({ op }) => op)).toEqual(["observe", "observe"]);
    }
  });
});

describe("YCSB", () => {
  it("touches as many records as asked, and writes as often", () => {
    const options = {
      transactions: 1000,
      records: 100,
      clients: 10,
      recordsPerTransaction: 4,
      writeShare: 0.3,
      zipfExponent: 0.99,
    };
    const workload = ycsb(options, 1);
    const steps = [...workload.transactions()].flatMap((transaction) => {
      expect(new Set(transaction.steps.map(({ address }) => address)).size).toBe(4);
      return transaction.steps;
    });
    const writes = steps.filter(({ op }) => op === "mix").length / steps.length;
    expect(Math.abs(writes - 0.3)).toBeLessThan(0.03);
    expect(runAll(workload).ended).toEqual({ done: 1000 });
  });
});

describe("arrivals", () => {
  const take = (count: number, times: Iterator<number>) =>
    Array.from({ length: count }, () => times.next().value as number);

  it("of a Poisson process have its mean and its variance", () => {
    const times = take(20_000, poissonArrivals(createPrng(1), 50));
    const waits = times.map((atMs, i) => atMs - (times[i - 1] ?? 0));
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    const variance = waits.reduce((sum, wait) => sum + (wait - mean) ** 2, 0) / waits.length;
    // Four standard errors of 20,000 exponential waits.
    expect(Math.abs(mean / 20 - 1)).toBeLessThan(0.03);
    expect(Math.abs(variance / 400 - 1)).toBeLessThan(0.08);
  });

  it("in bursts keep the mean rate, and scatter more than a Poisson process", () => {
    const options = { ratePerSecond: 100, peakFactor: 5, burstShare: 0.1, burstMs: 200 };
    const times = take(60_000, burstArrivals(createPrng(1), options));
    const lengthS = (times.at(-1) ?? 0) / 1000;
    expect(Math.abs(times.length / lengthS / 100 - 1)).toBeLessThan(0.1);
    const windows = new Array<number>(Math.floor(lengthS)).fill(0);
    for (const atMs of times) {
      const window = Math.floor(atMs / 1000);
      if (window < windows.length) windows[window] = (windows[window] as number) + 1;
    }
    const mean = windows.reduce((sum, count) => sum + count, 0) / windows.length;
    const spread = windows.reduce((sum, count) => sum + (count - mean) ** 2, 0) / windows.length;
    expect(spread / mean).toBeGreaterThan(5);
    expect(times.every((atMs, i) => i === 0 || atMs >= (times[i - 1] as number))).toBe(true);
    expect(() => burstArrivals(createPrng(1), { ...options, burstShare: 0.5 }).next()).toThrow(
      /product up to 1/,
    );
  });

  it("are replayed with blocks spread out, gaps cut and time sped up", () => {
    const times = [...replayArrivals([100, 100, 112, 9000, 9000], { speed: 2 })];
    expect(times).toEqual([0, 3000, 6000, 12_000, 15_000]);
    expect(() => [...replayArrivals([5, 4])]).toThrow(/never fall/);
  });

  it("are given to transactions until one runs out", () => {
    const workload = ycsb(
      {
        transactions: 3,
        records: 2,
        clients: 1,
        recordsPerTransaction: 1,
        writeShare: 1,
        zipfExponent: 0,
      },
      1,
    );
    const timed = [...schedule(workload.transactions(), [1, 2].values())];
    expect(timed.map(({ intendedMs }) => intendedMs)).toEqual([1, 2]);
    expect(timed[1]?.transaction.nonce).toBe(1);
  });
});
