import { MoeError } from "../errors.ts";
import type { RoutingShape } from "../offload/routing.ts";

/** How a trace came to be. */
export const TRACE_ORIGINS = ["recorded", "imported", "generated"] as const;
export type TraceOrigin = (typeof TRACE_ORIGINS)[number];

/** Where a trace comes from; printed beside every number that is computed from it. */
export interface TraceProvenance {
  /** The model whose routers chose, or whose shape was imitated. */
  readonly model: string;
  /** What it read or wrote: a workload by name, or "none" where no text was there. */
  readonly text: string;
  readonly origin: TraceOrigin;
  /** True when no router of a real model chose: results are then simulated, not measured. */
  readonly isSimulated: boolean;
  /** Of the generator or sampler. */
  readonly seed?: number;
  /** Given by the caller, ISO 8601. */
  readonly date: string;
  /** Anything else a reader must know: data used, settings. */
  readonly notes?: string;
}

/**
 * What the routers of a model chose, token by token. `M` is the number of layers that have routed
 * experts (`shape.moeLayers.length`), `E` experts a layer, `k` experts a token, `T` tokens.
 */
export interface Trace {
  readonly shape: RoutingShape;
  readonly tokenCount: number;
  /** Place of each token in its context, `[T]`; one that is not its predecessor's plus 1 begins. */
  readonly positions: Uint32Array;
  /** Chosen experts by falling router weight, `[T, M, k]`. */
  readonly experts: Uint16Array;
  /** Router probabilities, `[T, M, E]`; each row sums to 1. */
  readonly probabilities?: Float32Array;
  /** Later routers applied to a layer's gate input: layers ahead that were recorded, 0 to 3. */
  readonly aheadDepth: number;
  /** Their logits, `[T, M, aheadDepth, E]`; rows beyond the last layer are 0. */
  readonly ahead?: Float32Array;
  /** Milliseconds that the layer computed, waiting for experts not counted, `[T, M]`. */
  readonly computeMs?: Float32Array;
  readonly provenance: TraceProvenance;
}

/** Most layers ahead that a trace can hold. */
export const AHEAD_DEPTH_MAX = 3;
/** Experts of a layer that an id of 16 bits can tell apart. */
const EXPERT_COUNT_MAX = 65_535;
const LAYER_COUNT_MAX = 4_096;
/** Probabilities of one router are 32-bit numbers that a softmax divided by their sum. */
const PROBABILITY_SUM_TOLERANCE = 1e-3;

/** Makes the error for a trace that is not what its format says. */
export function badTrace(path: string, problem: string, todo: string): MoeError {
  return new MoeError(`the trace ${path} is not valid: ${problem}. ${todo}`, {
    code: "BAD_TRACE",
    path,
    problem,
  });
}

/**
 * Checks the counts of a shape.
 *
 * @param path  name of the trace for the message
 * @throws MoeError `BAD_TRACE`
 */
export function checkShape(shape: RoutingShape, path: string): void {
  const fail = (problem: string) => badTrace(path, problem, "Record or generate it again.");
  const isCount = (value: unknown, most: number) =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
  const { layerCount, expertCount, expertUsedCount, moeLayers } = shape;
  if (!isCount(layerCount, LAYER_COUNT_MAX)) {
    throw fail(`its layer count is ${layerCount}, expected 1 to ${LAYER_COUNT_MAX}`);
  }
  if (!isCount(expertCount, EXPERT_COUNT_MAX)) {
    throw fail(`its expert count is ${expertCount}, expected 1 to ${EXPERT_COUNT_MAX}`);
  }
  if (!isCount(expertUsedCount, expertCount)) {
    throw fail(`it has ${expertUsedCount} experts a token, expected 1 to ${expertCount}`);
  }
  if (!Array.isArray(moeLayers) || moeLayers.length === 0) {
    throw fail("it names no layers with routed experts");
  }
  moeLayers.forEach((layer, i) => {
    const least = i === 0 ? 0 : (moeLayers[i - 1] as number) + 1;
    if (!Number.isInteger(layer) || layer < least || layer >= layerCount) {
      throw fail(
        `its layer list has ${layer} at place ${i}, expected a whole number from ${least} to ` +
          `${layerCount - 1}`,
      );
    }
  });
}

/**
 * Checks everything a consumer relies on: sizes, ids in range and different within a layer, rows
 * of probabilities that sum to 1, finite numbers. Cost: one pass over all arrays.
 *
 * @param path  name of the trace for the message
 * @throws MoeError `BAD_TRACE`
 */
export function checkTrace(trace: Trace, path: string): void {
  checkShape(trace.shape, path);
  checkSizes(trace, path);
  checkExperts(trace, path);
  checkProbabilities(trace, path);
  checkFinite(trace.ahead, "logit of a later router", path);
  checkFinite(trace.computeMs, "compute time", path);
  if (trace.computeMs?.some((ms) => ms < 0) === true) {
    throw badTrace(path, "a compute time is negative", "Record it again.");
  }
}

/** Serial numbers of the tokens that begin a sequence, ascending; the first is 0. */
export function sequenceStarts(trace: Trace): number[] {
  const starts: number[] = [];
  for (let token = 0; token < trace.tokenCount; token++) {
    const follows = token > 0 && trace.positions[token] === (trace.positions[token - 1] ?? 0) + 1;
    if (!follows) starts.push(token);
  }
  return starts;
}

/**
 * The first tokens of a trace, without copying.
 *
 * @param tokenCount  at most those it has
 */
export function firstTokens(trace: Trace, tokenCount: number): Trace {
  const count = Math.min(tokenCount, trace.tokenCount);
  const { moeLayers, expertCount, expertUsedCount } = trace.shape;
  const rows = count * moeLayers.length;
  const { probabilities, ahead, computeMs, aheadDepth } = trace;
  return {
    ...trace,
    tokenCount: count,
    positions: trace.positions.subarray(0, count),
    experts: trace.experts.subarray(0, rows * expertUsedCount),
    ...(probabilities && { probabilities: probabilities.subarray(0, rows * expertCount) }),
    ...(ahead && { ahead: ahead.subarray(0, rows * aheadDepth * expertCount) }),
    ...(computeMs && { computeMs: computeMs.subarray(0, rows) }),
  };
}

function checkSizes(trace: Trace, path: string): void {
  const { shape, tokenCount, aheadDepth } = trace;
  const rows = tokenCount * shape.moeLayers.length;
  if (!Number.isInteger(aheadDepth) || aheadDepth < 0 || aheadDepth > AHEAD_DEPTH_MAX) {
    const expected = `expected 0 to ${AHEAD_DEPTH_MAX}`;
    throw badTrace(path, `it looks ${aheadDepth} layers ahead, ${expected}`, "Record it again.");
  }
  const sizes: [string, ArrayLike<number> | undefined, number][] = [
    ["positions", trace.positions, tokenCount],
    ["experts", trace.experts, rows * shape.expertUsedCount],
    ["probabilities", trace.probabilities, rows * shape.expertCount],
    ["later routers' logits", trace.ahead, rows * aheadDepth * shape.expertCount],
    ["compute times", trace.computeMs, rows],
  ];
  for (const [name, array, expected] of sizes) {
    if (array === undefined || array.length === expected) continue;
    const problem = `it holds ${array.length} ${name}, expected ${expected}`;
    throw badTrace(path, problem, "Record or generate it again.");
  }
}

function checkExperts({ shape, experts }: Trace, path: string): void {
  const { expertCount, expertUsedCount: used } = shape;
  const seenAt = new Int32Array(expertCount).fill(-1);
  for (let row = 0; row * used < experts.length; row++) {
    for (let i = 0; i < used; i++) {
      const expert = experts[row * used + i] ?? 0;
      if (expert >= expertCount || seenAt[expert] === row) {
        const token = Math.floor(row / shape.moeLayers.length);
        const layer = shape.moeLayers[row % shape.moeLayers.length];
        const why =
          expert >= expertCount ? `there are ${expertCount} experts` : "it is listed twice";
        const problem = `token ${token} uses expert ${expert} in layer ${layer}, but ${why}`;
        throw badTrace(path, problem, "Record or generate it again.");
      }
      seenAt[expert] = row;
    }
  }
}

function checkProbabilities({ shape, probabilities }: Trace, path: string): void {
  if (probabilities === undefined) return;
  const { expertCount } = shape;
  for (let row = 0; row * expertCount < probabilities.length; row++) {
    let sum = 0;
    let isBad = false;
    for (let i = row * expertCount; i < (row + 1) * expertCount; i++) {
      const probability = probabilities[i] ?? 0;
      sum += probability;
      // NaN fails the comparison too.
      if (!(probability >= 0)) isBad = true;
    }
    if (isBad || !(Math.abs(sum - 1) <= PROBABILITY_SUM_TOLERANCE)) {
      const problem = `router probabilities of row ${row} are not probabilities (sum ${sum})`;
      throw badTrace(path, problem, "Record softmax outputs, not logits.");
    }
  }
}

function checkFinite(values: Float32Array | undefined, name: string, path: string): void {
  const at = values?.findIndex((value) => !Number.isFinite(value)) ?? -1;
  if (at < 0) return;
  throw badTrace(path, `the ${name} at place ${at} is ${values?.[at]}`, "Record it again.");
}
