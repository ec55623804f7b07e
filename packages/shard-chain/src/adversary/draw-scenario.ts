import { createPrng, type NetworkFault, type Prng } from "@fmlab/sim";
import type { ConsensusName } from "../node/consensus.ts";
import { drawStrategy, MESSAGE_TYPES, type StrategyFrame } from "./draw-strategies.ts";
import type { FaultyValidator, MessageHold, Restart, Scenario, Strategy } from "./scenario.ts";

/** How much power the adversary gets. */
export type Budget =
  /** Less than a third: every oracle must hold. */
  | "below-third"
  /** From a third to below two thirds: agreement may break. */
  | "third-to-two-thirds";

/**
 * Draws a scenario; equal arguments draw the same.
 *
 * @param kinds what faulty validators may do; undefined for everything
 */
export function drawScenario(
  consensus: ConsensusName,
  seed: number,
  budget: Budget,
  kinds?: readonly Strategy["kind"][],
): Scenario {
  const prng = createPrng(seed, `${consensus}/${budget}`);
  const size = prng.pick([4, 4, 5, 6, 7, 7, 7]);
  const isWeighted = prng.chance(0.3);
  const powers = Array.from({ length: size }, () => (isWeighted ? 1 + prng.nextInt(5) : 1));
  const settledMs = 300 + prng.nextInt(2_700);
  const chosen = chooseFaulty(prng.fork("faulty"), powers, budget);
  const others = powers.map((_, i) => i).filter((i) => !chosen.includes(i));
  const sides = split(prng.fork("sides"), others);
  const frame = { sides, others, settledMs, budget };
  // Often all faulty validators play one plan together; it breaks more than many at random.
  const plan = prng.chance(budget === "below-third" ? 0.5 : 0.8)
    ? drawPlan(prng.fork("plan"), sides, budget)
    : undefined;
  const faulty: FaultyValidator[] = chosen.map((validator) => {
    const drawn = plan ?? drawStrategies(prng.fork(`strategies/${validator}`), frame);
    const strategies = restrict(prng.fork(`kinds/${validator}`), drawn, frame, kinds);
    return { validator, strategies };
  });
  const drawn: Scenario = {
    consensus,
    seed,
    powers,
    faulty,
    faults: [
      ...drawFaults(prng.fork("faults"), size, settledMs),
      ...drawSplit(prng.fork("split"), sides, settledMs, budget),
    ],
    holds: drawHolds(prng.fork("holds"), { consensus, size, faulty: chosen, settledMs }),
    restarts: drawRestarts(prng.fork("restarts"), others, settledMs),
    jitter: prng.pick([0.1, 1, 4]),
    settledMs,
    commands: 6,
  };
  const isQuiet = consensus === "hotstuff" && budget === "below-third" && kinds === undefined;
  const quiet = prng.fork("quiet leader");
  return isQuiet && quiet.chance(0.1) ? withQuietLeader(quiet, drawn) : drawn;
}

/** The fewest of whom all but two are a quorum: nobody is needed who knows better. */
const QUIET_COMMITTEE = 7;

/**
 * A HotStuff leader alone learns that its last block is final and cannot tell; the next leader is
 * faulty and builds below that block. Nothing else happens, so that the others' locks alone stand
 * between this and a fork. At random it comes about once in ten thousand schedules.
 */
function withQuietLeader(prng: Prng, scenario: Scenario): Scenario {
  const { settledMs } = scenario;
  const all = Array.from({ length: QUIET_COMMITTEE }, (_, i) => i);
  const leader = prng.nextInt(QUIET_COMMITTEE);
  const validator = (leader + 1) % QUIET_COMMITTEE;
  const types = [...TELLING.filter((type) => type !== "proposal"), "blocks"];
  const startMs = prng.nextInt(settledMs);
  const to = all.filter((i) => i !== leader);
  return {
    ...scenario,
    powers: all.map(() => 1),
    faulty: [{ validator, strategies: [{ kind: "stale-proposal" }] }],
    faults: [],
    holds: [{ types, from: [leader], to, startMs, endMs: settledMs }],
    restarts: [],
  };
}

/** What of the drawn strategies is allowed; where that is nothing, one that is. */
function restrict(
  prng: Prng,
  drawn: readonly Strategy[],
  frame: StrategyFrame,
  kinds: readonly Strategy["kind"][] | undefined,
): readonly Strategy[] {
  if (kinds === undefined) return drawn;
  const allowed = drawn.filter(({ kind }) => kinds.includes(kind));
  if (allowed.length > 0 || kinds.length === 0) return allowed;
  return [drawStrategy(prng, prng.pick(kinds), frame)];
}

function chooseFaulty(prng: Prng, powers: readonly number[], budget: Budget): number[] {
  const total = powers.reduce((sum, power) => sum + power, 0);
  const bound = budget === "below-third" ? total / 3 : (2 * total) / 3;
  const chosen: number[] = [];
  let power = 0;
  for (const validator of prng.shuffle(powers.map((_, i) => i))) {
    const more = power + (powers[validator] ?? 0);
    if (more >= bound) continue;
    chosen.push(validator);
    power = more;
  }
  return chosen.sort((a, b) => a - b);
}

/** Two sides that together are all; now and then some are on both. */
function split(prng: Prng, validators: readonly number[]): number[][] {
  const sides: number[][] = [[], []];
  for (const validator of validators) {
    const side = prng.nextInt(2);
    sides[side]?.push(validator);
    if (prng.chance(0.15)) sides[1 - side]?.push(validator);
  }
  return sides;
}

interface DrawFrame extends StrategyFrame {
  readonly budget: Budget;
}

function drawPlan(prng: Prng, sides: readonly (readonly number[])[], budget: Budget): Strategy[] {
  const plan: Strategy[] = [];
  if (prng.chance(budget === "below-third" ? 0.6 : 0.9)) plan.push({ kind: "equivocate", sides });
  if (prng.chance(0.5)) plan.push({ kind: "stale-proposal" });
  if (prng.chance(0.5)) plan.push({ kind: "false-vote" });
  return plan;
}

interface HoldFrame {
  readonly consensus: ConsensusName;
  readonly size: number;
  readonly faulty: readonly number[];
  readonly settledMs: number;
}

/** What the network does to single types of messages. */
function drawHolds(prng: Prng, frame: HoldFrame): MessageHold[] {
  const { size, settledMs } = frame;
  const nodes = Array.from({ length: size }, (_, i) => i);
  const some = () => nodes.filter(() => prng.chance(0.6));
  const holds = Array.from({ length: prng.nextInt(3) }, (): MessageHold => {
    const startMs = prng.nextInt(settledMs);
    const endMs = Math.min(settledMs, startMs + 50 + prng.nextInt(1_500));
    const types = MESSAGE_TYPES.filter(() => prng.chance(0.3));
    return { types, from: some(), to: some(), startMs, endMs };
  });
  return prng.chance(0.5) ? [...holds, ...drawLonelyDecider(prng, nodes, frame)] : holds;
}

/** What tells others of what a validator knows, other than its first vote in a round. */
const TELLING = [
  "precommit",
  "commit",
  "proposal",
  "polka",
  "timeout",
  "pre-prepare",
  "view-change",
];

/**
 * One validator alone learns that a block is final and cannot tell; another one does not even see
 * proposals. The rest must not forget what they have locked.
 */
function drawLonelyDecider(
  prng: Prng,
  nodes: readonly number[],
  { consensus, faulty, settledMs }: HoldFrame,
): MessageHold[] {
  const startMs = prng.nextInt(settledMs);
  const window = { startMs, endMs: Math.min(settledMs, startMs + 200 + prng.nextInt(2_000)) };
  const correct = prng.shuffle(nodes.filter((node) => !faulty.includes(node)));
  // Between two faulty ones in the rotation, as often as not.
  const between = correct.filter((node) => faulty.includes((node + 1) % nodes.length));
  const alone = (prng.chance(0.5) ? between[0] : undefined) ?? correct[0] ?? 0;
  const dark = correct.find((node) => node !== alone) ?? alone;
  const others = nodes.filter((node) => node !== alone);
  // A HotStuff leader decides by what it proposes itself: then its proposals must get through.
  const leads = consensus === "hotstuff" && prng.fork("leads").chance(0.5);
  const telling = leads ? TELLING.filter((type) => type !== "proposal") : TELLING;
  const holds = [{ ...window, types: [...telling, "blocks"], from: [alone], to: others }];
  if (prng.chance(0.4)) return holds;
  return [...holds, { ...window, types: ["proposal", "polka"], from: others, to: [dark] }];
}

function drawStrategies(prng: Prng, frame: DrawFrame): Strategy[] {
  const chances: [Strategy["kind"], number][] = [
    ["equivocate", frame.budget === "below-third" ? 0.5 : 0.9],
    ["false-vote", 0.4],
    ["stale-proposal", 0.3],
    ["withhold", 0.3],
    ["delay", 0.2],
    ["stale-snapshot", 0.2],
    ["censor", 0.1],
    ["invalid-payload", 0.1],
  ];
  return chances.flatMap(([kind, chance]) =>
    prng.chance(chance) ? [drawStrategy(prng, kind, frame)] : [],
  );
}

/** Often the correct sides hear nothing of each other until the network settles. */
function drawSplit(
  prng: Prng,
  sides: readonly (readonly number[])[],
  settledMs: number,
  budget: Budget,
): NetworkFault[] {
  if (!prng.chance(budget === "below-third" ? 0.3 : 0.9)) return [];
  const [left = [], right = []] = sides;
  const window = { startMs: 0, endMs: settledMs, delayMs: [settledMs, settledMs] as const };
  return [
    { kind: "delay", ...window, from: left, to: right },
    { kind: "delay", ...window, from: right, to: left },
  ];
}

function drawFaults(prng: Prng, size: number, settledMs: number): NetworkFault[] {
  const nodes = Array.from({ length: size }, (_, i) => i);
  const some = () => nodes.filter(() => prng.chance(0.5));
  return Array.from({ length: prng.nextInt(7) }, (): NetworkFault => {
    const startMs = prng.nextInt(settledMs);
    const endMs = Math.min(settledMs, startMs + 1 + prng.nextInt(1_500));
    const window = { startMs, endMs };
    switch (prng.nextInt(4)) {
      case 0: {
        const left = some();
        const groups = [left, nodes.filter((node) => !left.includes(node))];
        return { kind: "partition", ...window, groups, mode: prng.pick(["hold", "drop"]) };
      }
      case 1:
        return { kind: "loss", ...window, from: some(), to: some(), probability: prng.nextFloat() };
      default: {
        const most = 50 + prng.nextInt(2_000);
        return { kind: "delay", ...window, from: some(), to: some(), delayMs: [0, most] };
      }
    }
  });
}

function drawRestarts(prng: Prng, correct: readonly number[], settledMs: number): Restart[] {
  if (!prng.chance(0.3)) return [];
  return correct
    .filter(() => prng.chance(0.4))
    .map((validator) => {
      const atMs = prng.nextInt(settledMs - 100);
      return { validator, atMs, downMs: 1 + prng.nextInt(settledMs - atMs - 1) };
    });
}
