import type { FaultyValidator, Scenario } from "./scenario.ts";

/** What shrinking came to. */
export interface Shrunk {
  readonly scenario: Scenario;
  /** Runs that it took. */
  readonly runs: number;
}

/**
 * Leaves out of a scenario whatever it fails without: faults, restarts, strategies, commands, time.
 * Greedy, until nothing more can go: every single part that is left is needed.
 *
 * Draws of the network are keyed by link, so that leaving one thing out moves no other.
 *
 * @param fails whether a scenario shows the same failure; true for the one given
 */
export function shrinkScenario(
  scenario: Scenario,
  fails: (candidate: Scenario) => boolean,
  runsMax = 2_000,
): Shrunk {
  let best = scenario;
  let runs = 0;
  for (;;) {
    const smaller = firstThat(candidates(best), (candidate) => {
      if (runs >= runsMax) return false;
      runs++;
      return fails(candidate);
    });
    if (smaller === undefined) return { scenario: best, runs };
    best = smaller;
  }
}

function firstThat<T>(items: Iterable<T>, holds: (item: T) => boolean): T | undefined {
  for (const item of items) if (holds(item)) return item;
  return undefined;
}

/** Smaller scenarios, large steps first. */
function* candidates(scenario: Scenario): Generator<Scenario> {
  const { faults, holds, restarts, faulty, settledMs, commands, jitter } = scenario;
  if (faults.length > 1) yield { ...scenario, faults: [] };
  for (const [i] of faults.entries()) yield { ...scenario, faults: faults.toSpliced(i, 1) };
  for (const [i] of holds.entries()) yield { ...scenario, holds: holds.toSpliced(i, 1) };
  for (const [i] of restarts.entries()) yield { ...scenario, restarts: restarts.toSpliced(i, 1) };
  for (const [i, one] of faulty.entries()) {
    if (one.strategies.length > 0) {
      yield { ...scenario, faulty: faulty.with(i, { ...one, strategies: [] }) };
    }
    for (const [j] of one.strategies.entries()) {
      const strategies = one.strategies.toSpliced(j, 1);
      const fewer: FaultyValidator[] = faulty.with(i, { ...one, strategies });
      if (one.strategies.length > 1) yield { ...scenario, faulty: fewer };
    }
    if (one.strategies.length === 0) yield { ...scenario, faulty: faulty.toSpliced(i, 1) };
  }
  if (commands > 2) yield { ...scenario, commands: 2 };
  if (jitter > 0.1) yield { ...scenario, jitter: 0.1 };
  const shorterMs = Math.floor(settledMs / 2);
  const isFree = [...faults, ...holds].every(({ endMs }) => endMs <= shorterMs);
  if (settledMs > 100 && isFree && restarts.length === 0) {
    yield { ...scenario, settledMs: shorterMs };
  }
  for (const [i, fault] of faults.entries()) {
    const halfMs = Math.floor((fault.startMs + fault.endMs) / 2);
    if (halfMs - fault.startMs < 20) continue;
    yield { ...scenario, faults: faults.with(i, { ...fault, endMs: halfMs }) };
  }
}
