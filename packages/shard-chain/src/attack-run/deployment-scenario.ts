import { createPrng, type NetworkFault, type Prng } from "@fmlab/sim";
import { drawStrategy } from "../adversary/draw-strategies.ts";
import type { Strategy } from "../adversary/scenario.ts";
import { CONSENSUS_STRATEGIES, type StrategyName } from "../adversary/strategy-names.ts";
import type { AttackConfig } from "../definitions/attack.ts";
import type { Crash, FaultySeat } from "../runtime/world-settings.ts";

/** Validators of each committee; one of them may be faulty at any time. */
export const COMMITTEE_SIZE = 4;

/** Where a front-runner attacks from. */
export type FrontRun = "none" | "within" | "across";

/** What an adversary does to a whole deployment, as data. */
export interface DeploymentScenario {
  readonly seed: number;
  readonly crashes: readonly Crash[];
  readonly faults: readonly NetworkFault[];
  /** Validators that break the rules of their chain's consensus. */
  readonly faulty: readonly FaultySeat[];
  /** How long the faulty carriers hold messages between chains back, ms; 0 when nobody does. */
  readonly carrierDelayMs: number;
  readonly frontRun: FrontRun;
  /** Share of the coalitions that lie, of a protocol that has any. */
  readonly lyingCoalitionShare: number;
  /** Factor on each shard's pause. */
  readonly pauseFactors: readonly number[];
  readonly jitter: number;
}

/** Faults act up to this moment; then the network has settled. */
export const SETTLED_MS = 8_000;

/** Nobody does anything wrong. */
const QUIET: Omit<DeploymentScenario, "seed"> = {
  crashes: [],
  faults: [],
  faulty: [],
  carrierDelayMs: 0,
  frontRun: "none",
  lyingCoalitionShare: 0,
  pauseFactors: [],
  jitter: 0.1,
};

/** A scenario from JSON, as a run has written it or by hand: what it leaves out does not happen. */
export function readDeployment(json: string): DeploymentScenario {
  return { seed: 0, ...QUIET, ...(JSON.parse(json) as Partial<DeploymentScenario>) };
}

type DrawConfig = Pick<AttackConfig, "shards" | "budget" | "strategies">;

/**
 * Draws a scenario. Below a third no committee has more than one faulty validator; with more, one
 * chain has two, and the network keeps its correct validators apart at first.
 */
export function drawDeployment(config: DrawConfig, seed: number): DeploymentScenario {
  const { shards, budget, strategies } = config;
  const allows = (name: StrategyName) => strategies.includes(name);
  const prng = createPrng(seed, "deployment scenario");
  const chains = shards + 1;
  const delayMs = prng.chance(0.4) ? 200 + prng.nextInt(4_000) : 0;
  const faults = drawFaults(prng.fork("faults"), COMMITTEE_SIZE * chains);
  const pauseFactors = Array.from({ length: chains }, () => 0.5 + 2 * prng.nextFloat());
  const jitter = prng.pick([0.1, 1, 4]);
  if (budget === "third-to-two-thirds") {
    const fork = drawForking(prng.fork("forking"), shards, strategies);
    return { seed, ...QUIET, ...fork, pauseFactors };
  }
  const carrierDelayMs = allows("slow-carrier") ? delayMs : 0;
  const frontRun = drawFrontRun(prng.fork("front run"), strategies);
  const lies = prng.fork("lies");
  // Who follows the consensus may be faulty in other ways; its committee has no crash then.
  const isLastFaulty = carrierDelayMs > 0 || frontRun !== "none";
  const faulty = drawFaulty(prng.fork("faulty"), { chains, strategies, isLastFaulty });
  const crashes = isLastFaulty || !allows("crash") ? [] : drawCrashes(prng.fork("crashes"), chains);
  return {
    seed,
    carrierDelayMs,
    frontRun,
    lyingCoalitionShare: allows("lying-coalition") && lies.chance(0.3) ? lies.nextFloat() : 0,
    crashes: crashes.filter((crash) => !faulty.some(({ chain }) => chain === crash.chain)),
    faulty,
    faults,
    pauseFactors,
    jitter,
  };
}

/** Kinds of strategies within a consensus that are allowed. */
function kindsOf(strategies: readonly StrategyName[]): Strategy["kind"][] {
  return CONSENSUS_STRATEGIES.filter((name) => strategies.includes(name)) as Strategy["kind"][];
}

interface FaultyFrame {
  readonly chains: number;
  readonly strategies: readonly StrategyName[];
  /** Whether the last validator of each committee is faulty already. */
  readonly isLastFaulty: boolean;
}

/** On some chains a validator breaks the rules of its consensus. */
function drawFaulty(prng: Prng, { chains, strategies, isLastFaulty }: FaultyFrame): FaultySeat[] {
  const kinds = kindsOf(strategies);
  if (kinds.length === 0 || !prng.chance(0.6)) return [];
  return Array.from({ length: chains }, (_, chain): FaultySeat[] => {
    if (!prng.chance(0.6)) return [];
    const validator = isLastFaulty ? COMMITTEE_SIZE - 1 : prng.nextInt(COMMITTEE_SIZE);
    const all = Array.from({ length: COMMITTEE_SIZE }, (_, i) => i);
    const others = all.filter((one) => one !== validator);
    // One of the correct validators hears both stories, so that evidence comes to light.
    const [one = 0, other = 1, both = 2] = prng.shuffle(others);
    const sides = [
      [one, both],
      [other, both],
    ];
    const frame = { sides, others, settledMs: SETTLED_MS };
    const some = prng.shuffle(kinds).slice(0, 1 + prng.nextInt(3));
    return [{ chain, validator, strategies: some.map((kind) => drawStrategy(prng, kind, frame)) }];
  }).flat();
}

/** Two of a chain's four validators tell the other two a story each, which hear only theirs. */
function drawForking(
  prng: Prng,
  shards: number,
  strategies: readonly StrategyName[],
): Pick<DeploymentScenario, "faulty" | "faults"> {
  const chain = prng.nextInt(shards);
  const [one = 0, other = 1, ...faulty] = prng.shuffle(
    Array.from({ length: COMMITTEE_SIZE }, (_, i) => i),
  );
  const kinds = kindsOf(strategies);
  const frame = { sides: [[one], [other]], others: [one, other], settledMs: SETTLED_MS };
  const plan = kinds.filter((kind) => {
    const chance = { equivocate: 0.9, "false-vote": 0.4, "stale-proposal": 0.3 }[kind as string];
    return prng.chance(chance ?? 0.1);
  });
  const drawn = plan.map((kind) => drawStrategy(prng, kind, frame));
  const [left, right] = [one, other].map((index) => COMMITTEE_SIZE * chain + index) as [
    number,
    number,
  ];
  const late = { kind: "delay", startMs: 0, endMs: SETTLED_MS } as const;
  const delayMs = [SETTLED_MS, SETTLED_MS] as const;
  return {
    faulty: faulty.map((validator) => ({ chain, validator, strategies: drawn })),
    faults: [
      { ...late, delayMs, from: [left], to: [right] },
      { ...late, delayMs, from: [right], to: [left] },
    ],
  };
}

function drawFrontRun(prng: Prng, strategies: readonly StrategyName[]): FrontRun {
  const ways = (["within", "across"] as const).filter((way) =>
    strategies.includes(`front-run-${way}`),
  );
  return ways.length > 0 && prng.chance(0.3) ? prng.pick(ways) : "none";
}

function drawCrashes(prng: Prng, chains: number): Crash[] {
  return Array.from({ length: chains }, (_, chain): Crash[] => {
    if (prng.chance(0.4)) return [];
    const atMs = prng.nextInt(SETTLED_MS);
    const validator = prng.nextInt(COMMITTEE_SIZE);
    const comesBack = prng.chance(0.6);
    return [{ chain, validator, atMs, ...(comesBack && { backMs: atMs + prng.nextInt(9_000) }) }];
  }).flat();
}

function drawFaults(prng: Prng, nodes: number): NetworkFault[] {
  return Array.from({ length: prng.nextInt(4) }, (): NetworkFault => {
    const startMs = prng.nextInt(SETTLED_MS - 500);
    const endMs = startMs + 100 + prng.nextInt(SETTLED_MS - startMs - 100);
    const window = { startMs, endMs };
    const some = prng.shuffle(Array.from({ length: nodes }, (_, node) => node));
    const group = some.slice(0, 1 + prng.nextInt(nodes - 1));
    switch (prng.nextInt(3)) {
      case 0:
        return { kind: "loss", probability: 0.05 + 0.6 * prng.nextFloat(), ...window };
      case 1:
        return { kind: "delay", delayMs: [0, 200 + prng.nextInt(4_000)], from: group, ...window };
      default: {
        const rest = some.slice(group.length);
        const mode = prng.pick(["hold", "drop"] as const);
        return { kind: "partition", groups: [group, rest], mode, ...window };
      }
    }
  });
}

/** Smaller scenarios, large steps first. */
export function* smallerDeployments(scenario: DeploymentScenario): Generator<DeploymentScenario> {
  const { crashes, faults, faulty, carrierDelayMs, pauseFactors, jitter } = scenario;
  if (faults.length > 1) yield { ...scenario, faults: [] };
  if (crashes.length > 1) yield { ...scenario, crashes: [] };
  if (faulty.length > 1) yield { ...scenario, faulty: [] };
  for (const [i] of faults.entries()) yield { ...scenario, faults: faults.toSpliced(i, 1) };
  for (const [i] of crashes.entries()) yield { ...scenario, crashes: crashes.toSpliced(i, 1) };
  for (const [i, seat] of faulty.entries()) {
    yield { ...scenario, faulty: faulty.toSpliced(i, 1) };
    for (const [j] of seat.strategies.entries()) {
      const strategies = seat.strategies.toSpliced(j, 1);
      if (strategies.length === 0) continue;
      yield { ...scenario, faulty: faulty.with(i, { ...seat, strategies }) };
    }
  }
  if (carrierDelayMs > 0) yield { ...scenario, carrierDelayMs: 0 };
  if (scenario.frontRun !== "none") yield { ...scenario, frontRun: "none" };
  if (scenario.lyingCoalitionShare > 0) yield { ...scenario, lyingCoalitionShare: 0 };
  if (jitter > 0.1) yield { ...scenario, jitter: 0.1 };
  if (pauseFactors.some((factor) => factor !== 1)) {
    yield { ...scenario, pauseFactors: pauseFactors.map(() => 1) };
  }
}
