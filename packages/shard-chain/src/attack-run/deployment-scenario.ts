import { createPrng, type NetworkFault, type Prng } from "@fmlab/sim";
import type { AttackConfig } from "../definitions/attack.ts";
import type { Crash } from "../runtime/world-settings.ts";

/** Validators of each committee; one of them may be faulty at any time. */
export const COMMITTEE_SIZE = 4;

/** Disturbances of a whole deployment, as data. */
export interface DeploymentScenario {
  readonly seed: number;
  readonly crashes: readonly Crash[];
  readonly faults: readonly NetworkFault[];
  /** How long the faulty carriers hold messages between chains back, ms; 0 when nobody does. */
  readonly carrierDelayMs: number;
  /** Factor on each shard's pause. */
  readonly pauseFactors: readonly number[];
  readonly jitter: number;
}

/** Faults act up to this moment; then the network has settled. */
const SETTLED_MS = 8_000;

/** Draws a scenario in which no committee has more than one faulty validator. */
export function drawDeployment(
  { shards }: Pick<AttackConfig, "shards">,
  seed: number,
): DeploymentScenario {
  const prng = createPrng(seed, "deployment scenario");
  const nodes = COMMITTEE_SIZE * (shards + 1);
  // A carrier that delays is a faulty validator already: then nobody crashes.
  const carrierDelayMs = prng.chance(0.4) ? 200 + prng.nextInt(4_000) : 0;
  return {
    seed,
    carrierDelayMs,
    crashes: carrierDelayMs > 0 ? [] : drawCrashes(prng.fork("crashes"), shards + 1),
    faults: drawFaults(prng.fork("faults"), nodes),
    pauseFactors: Array.from({ length: shards + 1 }, () => 0.5 + 2 * prng.nextFloat()),
    jitter: prng.pick([0.1, 1, 4]),
  };
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
  const { crashes, faults, carrierDelayMs, pauseFactors, jitter } = scenario;
  if (faults.length > 1) yield { ...scenario, faults: [] };
  if (crashes.length > 1) yield { ...scenario, crashes: [] };
  for (const [i] of faults.entries()) yield { ...scenario, faults: faults.toSpliced(i, 1) };
  for (const [i] of crashes.entries()) yield { ...scenario, crashes: crashes.toSpliced(i, 1) };
  if (carrierDelayMs > 0) yield { ...scenario, carrierDelayMs: 0 };
  if (jitter > 0.1) yield { ...scenario, jitter: 0.1 };
  if (pauseFactors.some((factor) => factor !== 1)) {
    yield { ...scenario, pauseFactors: pauseFactors.map(() => 1) };
  }
}
