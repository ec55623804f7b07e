import type { Prng } from "@fmlab/sim";
import { ShardChainError } from "../errors.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { TimedTransaction } from "./workload.ts";

// Arrivals are open: they do not wait for answers, so that a slow system meets the same load as a
// fast one and its queue shows.

/**
 * Poisson arrivals: independent of each other, at a mean rate.
 *
 * @throws ShardChainError `BAD_SETTING`
 */
export function* poissonArrivals(prng: Prng, ratePerSecond: number): Generator<number> {
  checkPositive("ratePerSecond", ratePerSecond);
  for (let atMs = prng.exponential(1000 / ratePerSecond); ; ) {
    yield atMs;
    atMs += prng.exponential(1000 / ratePerSecond);
  }
}

/** Arrivals that come in bursts; the mean rate over a long time is `ratePerSecond`. */
export interface BurstOptions {
  readonly ratePerSecond: number;
  /** Rate within a burst, as a multiple of the mean, >= 1. */
  readonly peakFactor: number;
  /** Share of the time that is burst, 0 < share < 1, peakFactor x share <= 1. */
  readonly burstShare: number;
  /** Mean length of a burst, ms; lengths of bursts and of pauses are exponential. */
  readonly burstMs: number;
}

/**
 * A Poisson process whose rate switches between two levels (Markov-modulated).
 *
 * @throws ShardChainError `BAD_SETTING`
 */
export function* burstArrivals(prng: Prng, options: BurstOptions): Generator<number> {
  const { ratePerSecond, peakFactor, burstShare, burstMs } = options;
  checkPositive("ratePerSecond", ratePerSecond);
  checkPositive("burstMs", burstMs);
  const isPossible = peakFactor >= 1 && burstShare > 0 && burstShare < 1;
  if (!isPossible || peakFactor * burstShare > 1) {
    throw badSetting("peakFactor and burstShare", [peakFactor, burstShare], "a product up to 1");
  }
  const high = (ratePerSecond * peakFactor) / 1000;
  const low = ((ratePerSecond / 1000) * (1 - peakFactor * burstShare)) / (1 - burstShare);
  const pauseMs = (burstMs * (1 - burstShare)) / burstShare;
  let isBurst = prng.chance(burstShare);
  let fromMs = 0;
  for (;;) {
    const untilMs = fromMs + prng.exponential(isBurst ? burstMs : pauseMs);
    const perMs = isBurst ? high : low;
    if (perMs > 0) {
      // Waits have no memory, so each stretch may begin its own.
      let atMs = fromMs + prng.exponential(1 / perMs);
      for (; atMs < untilMs; atMs += prng.exponential(1 / perMs)) yield atMs;
    }
    isBurst = !isBurst;
    fromMs = untilMs;
  }
}

/**
 * Arrivals as recorded: each block's transactions spread evenly until the next block's time, as the
 * moments within a block are not known. Files of chosen blocks have gaps of months; a gap counts
 * for `gapMaxMs` at most.
 *
 * @param timestampsS time of each transaction's block, UNIX seconds, never falling
 * @param options `speed`: 2 replays in half the time. `gapMaxMs` is before speeding up; default:
 *        12 s, Ethereum's slot.
 * @throws ShardChainError `BAD_SETTING` for times that fall
 */
export function* replayArrivals(
  timestampsS: readonly number[],
  { speed = 1, gapMaxMs = 12_000 }: { speed?: number; gapMaxMs?: number } = {},
): Generator<number> {
  checkPositive("speed", speed);
  checkPositive("gapMaxMs", gapMaxMs);
  let fromMs = 0;
  for (let first = 0; first < timestampsS.length; ) {
    const time = timestampsS[first] as number;
    let next = first;
    while (next < timestampsS.length && timestampsS[next] === time) next++;
    const following = timestampsS[next];
    if (following !== undefined && following < time) {
      throw badSetting("timestamps", [time, following], "times that never fall");
    }
    const gapMs = following === undefined ? gapMaxMs : (following - time) * 1000;
    const lengthMs = Math.min(gapMs, gapMaxMs) / speed;
    for (let i = 0; i < next - first; i++) yield fromMs + (lengthMs * i) / (next - first);
    fromMs += lengthMs;
    first = next;
  }
}

/** Gives transactions their times, until one of the two runs out. */
export function* schedule(
  transactions: Iterable<Transaction>,
  arrivals: Iterator<number>,
): Generator<TimedTransaction> {
  for (const transaction of transactions) {
    const arrival = arrivals.next();
    if (arrival.done === true) return;
    yield { intendedMs: arrival.value, transaction };
  }
}

function checkPositive(setting: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw badSetting(setting, value, "a number above 0");
}

function badSetting(setting: string, value: unknown, expected: string): ShardChainError {
  return new ShardChainError(`${setting} must be ${expected}, got ${JSON.stringify(value)}`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected,
  });
}
