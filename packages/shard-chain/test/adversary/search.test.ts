import { describe, expect, it } from "vitest";
import { blame } from "../../src/adversary/blame.ts";
import { drawScenario } from "../../src/adversary/draw-scenario.ts";
import { runScenario } from "../../src/adversary/run-scenario.ts";
import { faultyPower } from "../../src/adversary/scenario.ts";
import { shrinkScenario } from "../../src/adversary/shrink.ts";
import { ED25519 } from "../../src/crypto/signatures.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../../src/node/index.ts";
import { WITH_SMALL_QUORUM, WITHOUT_LOCKS } from "./broken-variants.ts";

/** For each consensus; `npm run bench -- shard-safety` runs as many as one likes. */
const SCHEDULES = 70;
const FORK_OPTIONS = { liveWithinMs: 3_000 };
const seeds = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

/** The first of 40 seeds whose schedule makes a broken variant fork. */
function firstFork(name: ConsensusName, firstSeed: number, options: object): number | undefined {
  return seeds(firstSeed, 40).find((seed) =>
    runScenario(drawScenario(name, seed, "below-third"), {
      ...options,
      ...FORK_OPTIONS,
    }).violations.some(({ kind }) => kind === "agreement"),
  );
}

describe.each(CONSENSUS_NAMES)("%s", (name) => {
  it("keeps agreement, validity and liveness with less than a third of faulty power", () => {
    const broken = seeds(0, SCHEDULES).flatMap((seed) => {
      const scenario = drawScenario(name, seed, "below-third");
      const { faulty, total } = faultyPower(scenario);
      expect(3 * faulty).toBeLessThan(total);
      return runScenario(scenario).violations.map((violation) => ({ seed, violation }));
    });
    expect(broken).toEqual([]);
  });

  it("forks beyond a third, and evidence convicts a third of the power, all of it guilty", () => {
    let forks = 0;
    for (const seed of seeds(0, 25)) {
      const scenario = drawScenario(name, seed, "third-to-two-thirds");
      const { outcome, report, innocent } = blame(scenario, FORK_OPTIONS);
      expect(innocent).toEqual([]);
      if (!outcome.violations.some(({ kind }) => kind === "agreement")) continue;
      forks++;
      expect(report).toMatchObject({ isAttributed: true, reason: undefined });
      expect(3 * report.power).toBeGreaterThanOrEqual(report.totalPower);
    }
    expect(forks).toBeGreaterThan(0);
  });

  it("runs a scenario alike each time, and otherwise with another seed", () => {
    const scenario = drawScenario(name, 11, "below-third");
    const again = JSON.parse(JSON.stringify(scenario)) as typeof scenario;
    expect(runScenario(again).traceHash).toBe(runScenario(scenario).traceHash);
    expect(runScenario({ ...scenario, seed: 12 }).traceHash).not.toBe(
      runScenario(scenario).traceHash,
    );
  });
});

describe("the search", () => {
  /** Seeds at which the search found faults of this package, now mended. */
  it.each([
    ["tendermint", 1_511, "votes of an earlier round forgotten in a crash"],
    ["tendermint", 5_195, "votes that a faulty validator sends to some only"],
    ["hotstuff", 570, "certified blocks that every holder forgot in a crash"],
  ] as const)("keeps %s alive at seed %d: %s", (name, seed, _) => {
    expect(runScenario(drawScenario(name, seed, "below-third")).violations).toEqual([]);
  });

  it("convicts by view changes that reached a correct validator on their own", () => {
    const scenario = drawScenario("pbft", 164, "third-to-two-thirds");
    const { outcome, report, innocent } = blame(scenario, FORK_OPTIONS);
    expect(outcome.violations).toEqual([expect.objectContaining({ kind: "agreement" })]);
    expect(report.culprits.map(({ validator }) => validator)).toEqual([1, 2, 4]);
    expect(innocent).toEqual([]);
    const kinds = report.culprits.flatMap(({ evidence }) => evidence.map(({ kind }) => kind));
    expect(kinds).toContain("hidden-prepare");
  });

  /** Where `npm run bench -- shard-mutants` has found the broken variants; it takes a few tries. */
  const broken: [what: string, name: ConsensusName, firstSeed: number, options: object][] = [
    ["Tendermint without its lock", "tendermint", 28, WITHOUT_LOCKS],
    ["HotStuff without its lock", "hotstuff", 11, WITHOUT_LOCKS],
    ["PBFT that ignores what is prepared", "pbft", 50, WITHOUT_LOCKS],
    ["Tendermint with quorums of two thirds", "tendermint", 25, WITH_SMALL_QUORUM],
    ["HotStuff with quorums of two thirds", "hotstuff", 7, WITH_SMALL_QUORUM],
    ["PBFT with quorums of two thirds", "pbft", 3, WITH_SMALL_QUORUM],
  ];

  it.each(broken)("finds the fork of %s", (_, name, firstSeed, options) => {
    const seed = firstFork(name, firstSeed, options);
    expect(seed).toBeDefined();
    // The real thing holds against the same adversary.
    expect(runScenario(drawScenario(name, seed ?? 0, "below-third")).violations).toEqual([]);
  });

  it("makes a counterexample small: no part of it can be left out", () => {
    const seed = firstFork("tendermint", 25, WITH_SMALL_QUORUM) ?? 0;
    const fails = (candidate: ReturnType<typeof drawScenario>) =>
      runScenario(candidate, { ...WITH_SMALL_QUORUM, ...FORK_OPTIONS }).violations.some(
        ({ kind }) => kind === "agreement",
      );
    const first = drawScenario("tendermint", seed, "below-third");
    const { scenario, runs } = shrinkScenario(first, fails, 300);
    expect(runs).toBeLessThan(300);
    expect(fails(scenario)).toBe(true);
    expect(JSON.stringify(scenario).length).toBeLessThan(JSON.stringify(first).length);
    const parts = [
      ...scenario.faults.map((_, i) => ({ ...scenario, faults: scenario.faults.toSpliced(i, 1) })),
      ...scenario.holds.map((_, i) => ({ ...scenario, holds: scenario.holds.toSpliced(i, 1) })),
      ...scenario.faulty.map((_, i) => ({ ...scenario, faulty: scenario.faulty.toSpliced(i, 1) })),
    ];
    if (scenario.faulty.every(({ strategies }) => strategies.length > 0)) {
      for (const smaller of parts) expect(fails(smaller)).toBe(false);
    }
  });

  it("finds the same with real signatures as with elided ones", () => {
    const scenario = drawScenario("tendermint", 2, "third-to-two-thirds");
    const elided = blame(scenario, FORK_OPTIONS);
    const signed = blame(scenario, { ...FORK_OPTIONS, scheme: ED25519 });
    expect(signed.outcome.violations.map(({ kind }) => kind)).toEqual(
      elided.outcome.violations.map(({ kind }) => kind),
    );
    expect(signed.report.culprits.map(({ validator }) => validator)).toEqual(
      elided.report.culprits.map(({ validator }) => validator),
    );
  });
});
