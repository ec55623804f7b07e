import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { checkFairness } from "../../src/oracles/fairness.ts";
import { RunHistory } from "../../src/oracles/history.ts";
import { countInversions } from "../../src/oracles/inversions.ts";
import { compareProcessed, type ProcessedPlace } from "../../src/oracles/processing-order.ts";

const place = (timestampMs: number, shard = 0, height = 1, index = 0): ProcessedPlace => ({
  timestampMs,
  shard,
  height,
  index,
});

describe("counting inversions", () => {
  it("agrees with comparing all pairs, with ties, over many lists", () => {
    for (let seed = 0; seed < 200; seed++) {
      const prng = createPrng(seed);
      const ranks = Array.from({ length: prng.nextInt(60) }, () => prng.nextInt(20));
      const naive = ranks.flatMap((a, i) => ranks.slice(i + 1).filter((b) => a > b)).length;
      expect(countInversions(ranks)).toBe(naive);
    }
  });

  it("counts all pairs of a falling list and none of a rising one", () => {
    const rising = Array.from({ length: 1000 }, (_, i) => i);
    expect(countInversions(rising)).toBe(0);
    expect(countInversions(rising.toReversed())).toBe((1000 * 999) / 2);
  });
});

describe("the processing order", () => {
  it("goes by agreed time, then shard, height and index", () => {
    const sorted = [
      place(1, 3, 9, 9),
      place(2, 0, 7, 3),
      place(2, 1, 4, 8),
      place(2, 1, 5, 0),
      place(2, 1, 5, 1),
    ];
    expect(createPrng(1).shuffle(sorted).sort(compareProcessed)).toEqual(sorted);
    expect(compareProcessed(place(1), place(1))).toBe(0);
  });
});

describe("the fairness oracle", () => {
  const attack = (execution: string[], writes = true) => {
    const history = new RunHistory();
    history.process("victim", place(10, 0), 12);
    history.process("attacker", place(20, 1), 21);
    for (const tx of execution) {
      if (writes) history.write(tx, "exchange");
      else history.read(tx, "exchange");
    }
    return checkFairness(history);
  };

  it("finds a front-run: processed later, executed first", () => {
    const verdict = attack(["attacker", "victim"]);
    expect(verdict).toMatchObject({ passed: false, facts: { fairnessInversions: 1 } });
    expect(verdict.violations[0]).toEqual({
      what:
        "on exchange, victim was processed before attacker but executed after it; " +
        "1 such pairs on this key",
      transactions: ["victim", "attacker"],
    });
  });

  it("is silent on the fair order, and on readers in any order", () => {
    expect(attack(["victim", "attacker"]).passed).toBe(true);
    expect(attack(["attacker", "victim"], false)).toMatchObject({
      passed: true,
      facts: { conflictingPairs: 0 },
    });
  });

  it("does not count aborted transactions", () => {
    const history = new RunHistory();
    history.process("victim", place(10), 10);
    history.process("attacker", place(20), 20);
    for (const tx of ["attacker", "victim"]) history.write(tx, "x");
    history.finish("attacker", "abort");
    expect(checkFairness(history).passed).toBe(true);
  });

  it("reports inversions against true time beside, without failing on them", () => {
    const history = new RunHistory();
    // The shards' agreed times order them one way, the moments of commitment the other way.
    history.process("A", place(10, 0), 30);
    history.process("B", place(11, 1), 20);
    for (const tx of ["A", "B"]) history.write(tx, "x");
    expect(checkFairness(history)).toMatchObject({
      passed: true,
      facts: { fairnessInversions: 0, trueTimeInversions: 1 },
    });
  });

  it("agrees with comparing all pairs of visits over many random histories", () => {
    let total = 0;
    for (let seed = 0; seed < 80; seed++) {
      const run = randomRun(createPrng(seed));
      const expected = naiveInversions(run);
      const { facts, passed, violations } = checkFairness(run.history);
      expect(facts.fairnessInversions).toBe(expected);
      expect(passed).toBe(expected === 0);
      for (const { transactions } of violations) {
        const [early = "", late = ""] = transactions;
        expect(run.timeOf.get(early) ?? 0).toBeLessThan(run.timeOf.get(late) ?? 0);
      }
      total += expected;
    }
    expect(total).toBeGreaterThan(100);
  });
});

interface Run {
  readonly history: RunHistory;
  readonly timeOf: Map<string, number>;
  readonly accesses: { tx: string; key: string; isWrite: boolean }[];
}

function randomRun(prng: Prng): Run {
  const history = new RunHistory();
  const names = prng.shuffle(Array.from({ length: 12 }, (_, i) => `t${i}`));
  const timeOf = new Map(names.map((name, i) => [name, i]));
  for (const [name, time] of timeOf) history.process(name, place(time, prng.nextInt(3)), time);
  const accesses = Array.from({ length: prng.nextInt(40) }, () => ({
    tx: prng.pick(names),
    key: prng.pick(["x", "y", "z"]),
    isWrite: prng.chance(0.5),
  }));
  for (const { tx, key, isWrite } of accesses) {
    if (isWrite) history.write(tx, key);
    else history.read(tx, key);
  }
  return { history, timeOf, accesses };
}

function naiveInversions({ timeOf, accesses }: Run): number {
  let count = 0;
  for (const key of ["x", "y", "z"]) {
    const here = accesses.filter((access) => access.key === key);
    const order = [...new Set(here.map(({ tx }) => tx))];
    const writes = (tx: string) => here.some((access) => access.tx === tx && access.isWrite);
    const timed = (tx: string) => timeOf.get(tx) ?? 0;
    order.forEach((first, i) => {
      for (const second of order.slice(i + 1)) {
        if ((writes(first) || writes(second)) && timed(first) > timed(second)) count++;
      }
    });
  }
  return count;
}
