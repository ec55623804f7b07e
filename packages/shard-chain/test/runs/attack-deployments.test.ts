import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { drawScenario } from "../../src/adversary/draw-scenario.ts";
import { drawStrategy } from "../../src/adversary/draw-strategies.ts";
import type { Strategy } from "../../src/adversary/scenario.ts";
import { CONSENSUS_STRATEGIES, STRATEGY_NAMES } from "../../src/adversary/strategy-names.ts";
import {
  COMMITTEE_SIZE,
  type DeploymentScenario,
  drawDeployment,
} from "../../src/attack-run/deployment-scenario.ts";
import { searchDeployment } from "../../src/attack-run/deployment-search.ts";
import { runDeploymentScenario } from "../../src/attack-run/run-deployment-scenario.ts";
import { type AttackConfig, attackConfig } from "../../src/definitions/attack.ts";
import { CONSENSUS_NAMES } from "../../src/node/index.ts";
import { Deployment } from "../../src/runtime/deployment.ts";
import { smallDeployment } from "../runtime/small-deployment.ts";

const SMALL = { scope: "deployment", shards: 2, transactions: 12, shrinkRuns: 0 } as const;
const search = (config: Partial<AttackConfig>, firstSeed = 0) =>
  searchDeployment(attackConfig.parse({ ...SMALL, ...config }), firstSeed, async () => undefined);

/** Nobody does anything wrong. */
const QUIET: DeploymentScenario = {
  seed: 5,
  crashes: [],
  faults: [],
  faulty: [],
  carrierDelayMs: 0,
  frontRun: "none",
  lyingCoalitionShare: 0,
  pauseFactors: [1, 1, 1],
  jitter: 0.1,
};

/** What a scenario makes use of, by name. */
function namesIn(scenario: DeploymentScenario): string[] {
  const { faulty, crashes, carrierDelayMs, frontRun, lyingCoalitionShare } = scenario;
  return [
    ...faulty.flatMap(({ strategies }) => strategies.map(({ kind }) => kind)),
    ...(crashes.length > 0 ? ["crash"] : []),
    ...(carrierDelayMs > 0 ? ["slow-carrier"] : []),
    ...(frontRun === "none" ? [] : [`front-run-${frontRun}`]),
    ...(lyingCoalitionShare > 0 ? ["lying-coalition"] : []),
  ];
}

const drawn = (config: Partial<AttackConfig>, count: number) =>
  Array.from({ length: count }, (_, seed) => drawDeployment(attackConfig.parse(config), seed));

describe("scenarios against whole deployments", () => {
  it("draw every strategy there is, and only those that are allowed", () => {
    expect(new Set(drawn({}, 200).flatMap(namesIn))).toEqual(new Set(STRATEGY_NAMES));
    for (const name of STRATEGY_NAMES) {
      const names = new Set(drawn({ strategies: [name] }, 60).flatMap(namesIn));
      expect([...names]).toEqual([name]);
    }
  });

  it("keep to the budget: one faulty validator a committee, or half of one committee", () => {
    for (const scenario of drawn({}, 200)) {
      const { faulty, crashes, carrierDelayMs, frontRun } = scenario;
      const isLastFaulty = carrierDelayMs > 0 || frontRun !== "none";
      const seats = [...faulty, ...crashes].map(({ chain, validator }) => [chain, validator]);
      expect(new Set(seats.map(([chain]) => chain)).size).toBe(seats.length);
      if (!isLastFaulty) continue;
      expect(seats.every(([, validator]) => validator === COMMITTEE_SIZE - 1)).toBe(true);
    }
    for (const { faulty } of drawn({ budget: "third-to-two-thirds" }, 50)) {
      expect(faulty).toHaveLength(COMMITTEE_SIZE / 2);
      expect(new Set(faulty.map(({ chain }) => chain)).size).toBe(1);
    }
  });
});

describe.each(CONSENSUS_NAMES)("shards on %s", (consensus) => {
  it("convict an equivocator, though nothing breaks", async () => {
    const equivocation: Strategy = {
      kind: "equivocate",
      sides: [
        [1, 2],
        [2, 3],
      ],
    };
    const faulty = [{ chain: 0, validator: 0, strategies: [equivocation] }];
    const scenario = { ...QUIET, faulty };
    const found = await search({ consensus, replay: JSON.stringify(scenario) });
    expect(found).toMatchObject({ broken: [], forks: 0, innocentNamed: 0 });
    expect(found.convicted).toMatchObject([{ where: "shard-0", validator: 0, power: 1 }]);
    const [{ evidence = [] } = {}] = found.convicted;
    expect(evidence.some((kind) => kind === "double-vote" || kind === "double-proposal")).toBe(
      true,
    );
  });

  it("fork with half of a committee faulty, and evidence names that half", async () => {
    const found = await search({ consensus, budget: "third-to-two-thirds", schedules: 3 });
    expect(found.forks).toBeGreaterThan(0);
    expect(found).toMatchObject({ attributed: found.forks, innocentNamed: 0 });
  });
});

describe("every single strategy", () => {
  it.each(CONSENSUS_STRATEGIES)("%s breaks nothing below a third", async (name) => {
    const kind = name as Strategy["kind"];
    const others = [0, 1, 2];
    const frame = {
      sides: [
        [0, 1],
        [1, 2],
      ],
      others,
      settledMs: 2_000,
    };
    const strategies = [drawStrategy(createPrng(1, name), kind, frame)];
    const faulty = [{ chain: 0, validator: 3, strategies }];
    const replay = JSON.stringify({ ...QUIET, faulty });
    expect(await search({ replay })).toMatchObject({ broken: [], innocentNamed: 0 });
  });

  it("restricts what is drawn against one committee", () => {
    const kinds = ["censor", "stale-proposal"] as const;
    for (let seed = 0; seed < 40; seed++) {
      const { faulty } = drawScenario("tendermint", seed, "below-third", kinds);
      for (const { strategies } of faulty) {
        expect(strategies.length).toBeGreaterThan(0);
        for (const { kind } of strategies) expect(kinds).toContain(kind);
      }
    }
  });

  it("overtakes calls from within the shard and from another one", async () => {
    for (const frontRun of ["within", "across"] as const) {
      const scenario = { ...QUIET, frontRun, carrierDelayMs: 300 };
      const { deployment } = await runDeploymentScenario(
        attackConfig.parse({ ...SMALL, protocol: "relay" }),
        scenario,
      );
      expect(deployment.settings.adversary?.frontRunner?.runs.length).toBeGreaterThan(0);
    }
  });

  it("runs what is written by hand: what a scenario leaves out does not happen", async () => {
    const replay = JSON.stringify({ crashes: [{ chain: 1, validator: 2, atMs: 100 }] });
    expect(await search({ replay })).toMatchObject({ schedules: 1, broken: [], convicted: [] });
  });

  it("needs memoised execution: copies of a validator would share one state", () => {
    const strategies: Strategy[] = [{ kind: "censor" }];
    const adversary = { carrierDelayMs: 0, faulty: [{ chain: 0, validator: 3, strategies }] };
    const deployment = { adversary, execution: "every" } as const;
    const settings = smallDeployment({ protocol: "relay", deployment });
    expect(() => new Deployment(settings)).toThrow(/execution must be memoised/);
  });

  it("leaves evidence in a block of the shard", async () => {
    const found = await search({ strategies: ["equivocate", "false-vote"], schedules: 4 }, 5);
    const proven = found.convicted.filter(({ evidence }) =>
      evidence.some((one) => one.startsWith("evidence in block")),
    );
    expect(proven.length).toBeGreaterThan(0);
  });
});
