import { createPrng } from "@fmlab/sim";
import type { Routing, RoutingShape } from "../offload/routing.ts";
import type { Calibration } from "./calibration.ts";
import { RoutingStatistics } from "./routing-statistics.ts";

/** What is calibrated: an engine in any state of residency, since that changes no routing. */
export interface CalibrationEngine {
  readonly shape: RoutingShape;
  readonly contextLength: number;
  onTokenRouting: ((routing: Routing) => void) | undefined;
  decode(token: number): Float32Array;
  reset(): void;
}

/** How long and from where a calibration writes. */
export interface CalibrationOptions {
  /** Tokens to write; see docs for what fewer cost. */
  readonly tokenCount: number;
  readonly seed: number;
  /** Token that begins each sequence: the model's beginning of text. */
  readonly firstToken: number;
  /** What it reads in place of writing; taken from its beginning again where it is too short. */
  readonly text?: ArrayLike<number> | undefined;
  /** Called after each token. */
  readonly onToken?: (done: number) => void;
  /** Asked before each token; throws to stop. */
  readonly throwIfCancelled?: () => void;
}

/**
 * Lets the model write text at temperature 1, or read one, and learns how it routes on it. The
 * context is reset before and after; hooks are restored.
 */
export function calibrate(engine: CalibrationEngine, options: CalibrationOptions): Calibration {
  const { firstToken, seed, text = [], tokenCount } = options;
  const prng = createPrng(seed, "calibration");
  const statistics = new RoutingStatistics(engine.shape);
  const hook = engine.onTokenRouting;
  engine.onTokenRouting = (routing) => statistics.add(routing);
  try {
    let token = firstToken;
    for (let done = 0; done < tokenCount; done++) {
      options.throwIfCancelled?.();
      if (done % engine.contextLength === 0) {
        engine.reset();
        statistics.endSequence();
        token = firstToken;
      }
      const next = text.length > 0 ? text[done % text.length] : undefined;
      if (next === undefined) token = draw(engine.decode(token), prng.nextFloat());
      else engine.decode(next);
      options.onToken?.(done + 1);
    }
    statistics.endSequence();
  } finally {
    engine.onTokenRouting = hook;
    engine.reset();
  }
  return statistics.result(seed);
}

/**
 * One token by its probability at temperature 1; in one pass, unlike the sampler with its options.
 */
function draw(logits: Float32Array, uniform: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) top = Math.max(top, logits[token] ?? top);
  let total = 0;
  for (let token = 0; token < logits.length; token++) {
    total += Math.exp((logits[token] ?? 0) - top);
  }
  let left = uniform * total;
  for (let token = 0; token < logits.length; token++) {
    left -= Math.exp((logits[token] ?? 0) - top);
    if (left < 0) return token;
  }
  return logits.length - 1;
}
