import type { Prng } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import {
  APP_INVOCATIONS_PER_DAY,
  BURSTY_SHARE,
  DIURNAL_AMPLITUDE,
  DURATION_SECONDS,
  FUNCTIONS_PER_APP,
  MEMORY_MB,
  TRIGGER_PERCENT,
  TRIGGERS,
} from "./published-fits.ts";

const DAY_MS = 86_400_000;

/** A function drawn from the published distributions. */
export interface GeneratedFunction {
  app: number;
  trigger: string;
  invocationsPerDay: number;
  meanDurationMs: number;
  /** Of its application. */
  memoryMb: number;
  /** How its gaps vary: 0 a clock, 1 Poisson, above 1 bursts. */
  gapVariation: number;
  /** When its day begins, for the daily rhythm. */
  phaseMs: number;
}

/** Limits on what is drawn; the published tails are longer than a simulation wants to be. */
export interface GeneratorOptions {
  apps: number;
  /** Longest mean duration; the platform's own limit was 10 minutes. */
  durationMsMax?: number;
  /** Functions with more are drawn again. */
  invocationsPerDayMax?: number;
}

/**
 * Draws applications and their functions. Triggers are drawn function by function; an application's
 * invocations are divided among its functions by a random stick-breaking (chosen: the paper does
 * not tell).
 */
export function generateFunctions(options: GeneratorOptions, prng: Prng): GeneratedFunction[] {
  const { apps, durationMsMax = 600_000, invocationsPerDayMax = 1.15e6 } = options;
  requireSetting(Number.isInteger(apps) && apps >= 1, "apps", apps, "a whole number above 0");
  const functions: GeneratedFunction[] = [];
  for (let app = 0; app < apps; app++) {
    const draw = prng.fork(app);
    const count = drawFunctionCount(draw);
    const perDay = Math.min(
      invocationsPerDayMax,
      APP_INVOCATIONS_PER_DAY.quantile(draw.nextFloat()),
    );
    const memoryMb = Math.min(16_384, MEMORY_MB.quantile(draw.nextFloat()));
    const isBursty = draw.chance(BURSTY_SHARE);
    const shares = breakStick(count, draw);
    for (const share of shares) {
      const trigger = TRIGGERS[drawIndex(TRIGGER_PERCENT, draw)] as string;
      const meanMs = DURATION_SECONDS.quantile(Math.max(1e-12, draw.nextFloat())) * 1000;
      functions.push({
        app,
        trigger,
        invocationsPerDay: perDay * share,
        meanDurationMs: Math.min(durationMsMax, Math.max(1, meanMs)),
        memoryMb,
        gapVariation: trigger === "timer" ? 0 : isBursty ? 2 + 2 * draw.nextFloat() : 1,
        phaseMs: draw.nextFloat() * DAY_MS,
      });
    }
  }
  return functions;
}

/** Arrivals of a function in [0, spanMs), rising. */
export function generateArrivals(fn: GeneratedFunction, spanMs: number, prng: Prng): Float64Array {
  const meanGapMs = DAY_MS / fn.invocationsPerDay;
  const arrivals: number[] = [];
  if (fn.gapVariation === 0) {
    for (let at = fn.phaseMs % meanGapMs; at < spanMs; at += meanGapMs) arrivals.push(at);
    return Float64Array.from(arrivals);
  }
  // A renewal process of unit rate in the time in which the daily rhythm is flat.
  const nextGap = gapsWithVariation(fn.gapVariation, prng);
  const flat = flatTime(fn.phaseMs);
  let sum = prng.nextFloat() * nextGap();
  for (;;) {
    const at = flat.toReal(sum * meanGapMs);
    if (at >= spanMs) return Float64Array.from(arrivals);
    arrivals.push(at);
    sum += nextGap();
  }
}

/** Durations around a function's mean: log-normal, sigma 0.6 (chosen; the paper gives none). */
export function drawDurationMs(meanMs: number, prng: Prng): number {
  const sigma = 0.6;
  return meanMs * Math.exp(prng.normal(-(sigma * sigma) / 2, sigma));
}

function drawFunctionCount(prng: Prng): number {
  const shares = FUNCTIONS_PER_APP.map(([, , share]) => share);
  const [from, to] = FUNCTIONS_PER_APP[drawIndex(shares, prng)] ?? [1, 1];
  // Inside a class, small numbers are more likely: even in the logarithm.
  return Math.floor(from * ((to + 1) / from) ** prng.nextFloat());
}

function drawIndex(shares: readonly number[], prng: Prng): number {
  const total = shares.reduce((a, b) => a + b, 0);
  let left = prng.nextFloat() * total;
  const found = shares.findIndex((share) => {
    left -= share;
    return left < 0;
  });
  return found < 0 ? shares.length - 1 : found;
}

function breakStick(count: number, prng: Prng): number[] {
  const cuts = Array.from({ length: count - 1 }, () => prng.nextFloat()).sort((a, b) => a - b);
  return [...cuts, 1].map((cut, i) => Math.max(1e-9, cut - (cuts[i - 1] ?? 0)));
}

/** Gaps of mean 1: exponential, or a balanced mixture of two exponentials for more variation. */
function gapsWithVariation(variation: number, prng: Prng): () => number {
  if (variation <= 1) return () => prng.exponential(1);
  const square = variation * variation;
  const p = (1 + Math.sqrt((square - 1) / (square + 1))) / 2;
  return () => prng.exponential(prng.chance(p) ? 1 / (2 * p) : 1 / (2 * (1 - p)));
}

/**
 * The change of time under which a rate of 1 + a sin(2 pi (t - phase) / day) is constant: its
 * integral, and the inverse by Newton's method. The rate lies within 1 -+ a, a = 1/3, so every step
 * at least halves the error, and doubles its digits once near.
 */
function flatTime(phaseMs: number): { toReal(flatMs: number): number } {
  const round = (2 * Math.PI) / DAY_MS;
  const swing = DIURNAL_AMPLITUDE / round;
  const start = Math.cos(round * phaseMs);
  return {
    toReal(flatMs) {
      let t = flatMs;
      for (let i = 0; i < 12; i++) {
        const angle = round * (t - phaseMs);
        const error = t - swing * (Math.cos(angle) - start) - flatMs;
        t -= error / (1 + DIURNAL_AMPLITUDE * Math.sin(angle));
        if (Math.abs(error) < 1e-6) break;
      }
      return Math.max(0, t);
    },
  };
}
