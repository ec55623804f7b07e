import type { Prng } from "@fmlab/sim";
import { badFile } from "../errors.ts";
import { SCHEDULER_NAMES, type SchedulerName } from "../scheduling/names.ts";
import { CONTEXT_FEATURES, NODE_INPUTS, PAIR_INPUTS } from "./decision-frame.ts";
import type { GateCell, PolicyGate } from "./gate.ts";
import { INDEX_PARAMETERS } from "./placement-index.ts";

/** Units of each layer; small, so that a decision over 128 nodes takes microseconds. */
export const HIDDEN = 16;
/** Units of the value estimate, which only training uses. */
export const VALUE_HIDDEN = 32;

const NODE = NODE_INPUTS.length;
const PAIR = PAIR_INPUTS.length;
const CONTEXT = CONTEXT_FEATURES.length;

/**
 * Shapes of the policy's tensors, `[inputs, outputs]` as TensorFlow multiplies. `node`: encoder of
 * a node; `attend`: how much a node counts in the cluster's summary; `context`: request and
 * summary;
 * `point*`: score of a node (from its code, its pair features and the context); `queue*`: score of
 * waiting; `value*`: the critic. `index`: what the prior is made of, found by search.
 */
export const TENSOR_SHAPES = {
  index: [INDEX_PARAMETERS.length],
  nodeW: [NODE, HIDDEN],
  nodeB: [HIDDEN],
  attendW: [HIDDEN, 1],
  contextW: [CONTEXT + HIDDEN, HIDDEN],
  contextB: [HIDDEN],
  pointNodeW: [HIDDEN, HIDDEN],
  pointPairW: [PAIR, HIDDEN],
  pointContextW: [HIDDEN, HIDDEN],
  pointB: [HIDDEN],
  pointV: [HIDDEN, 1],
  queueW: [HIDDEN, HIDDEN],
  queueB: [HIDDEN],
  queueV: [HIDDEN, 1],
  valueW: [CONTEXT, VALUE_HIDDEN],
  valueB: [VALUE_HIDDEN],
  valueV: [VALUE_HIDDEN, 1],
} as const satisfies Record<string, readonly number[]>;
/** Name of one of them. */
export type TensorName = keyof typeof TENSOR_SHAPES;
/** All of them, in the order of the shapes. */
export const TENSOR_NAMES = Object.keys(TENSOR_SHAPES) as TensorName[];

/** All numbers of a policy, row-major, and where it may act; without a gate, everywhere. */
export type PolicyWeights = Record<TensorName, Float32Array> & { gate?: PolicyGate };

/** How many numbers a tensor holds. */
export function sizeOf(name: TensorName): number {
  return TENSOR_SHAPES[name].reduce((product: number, size) => product * size, 1);
}

/**
 * Weights of an untrained policy: hidden layers Glorot-normal, the last layers of both scores zero,
 * so that the correction is zero and the heuristic decides.
 */
export function untrainedWeights(prng: Prng): PolicyWeights {
  const draw = (name: TensorName): Float32Array => {
    const [inputs, outputs] = TENSOR_SHAPES[name] as readonly [number, number?];
    const isZero = outputs === undefined || name === "pointV" || name === "queueV";
    if (isZero || name === "valueV") return new Float32Array(sizeOf(name));
    const stream = prng.fork(name);
    const deviation = Math.sqrt(2 / (inputs + outputs));
    return Float32Array.from({ length: sizeOf(name) }, () => stream.normal(0, deviation));
  };
  return tensorsOf(draw);
}

function tensorsOf(make: (name: TensorName) => Float32Array): Record<TensorName, Float32Array> {
  const entries = TENSOR_NAMES.map((name) => [name, make(name)]);
  return Object.fromEntries(entries) as Record<TensorName, Float32Array>;
}

/** The weights as a file, from which they can be read back to the last bit. */
export function serialiseWeights(weights: PolicyWeights): string {
  const tensors = TENSOR_NAMES.map((name) => [name, [...weights[name]]]);
  const head = { format: "fmlab-cnc-policy", version: 2 };
  const { gate } = weights;
  return `${JSON.stringify({ ...head, ...(gate && { gate }), ...Object.fromEntries(tensors) })}\n`;
}

/**
 * Reads what `serialiseWeights` wrote.
 *
 * @param path only named in errors
 * @throws CncError `BAD_FILE` for another format, version, shape, a number that is not finite or a
 *   gate that is none
 */
export function parseWeights(text: string, path: string): PolicyWeights {
  let document: Record<string, unknown>;
  try {
    document = JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    throw badFile(path, undefined, `no JSON: ${(error as Error).message}`);
  }
  if (document?.format !== "fmlab-cnc-policy" || document.version !== 2) {
    throw badFile(path, undefined, "not a policy of format fmlab-cnc-policy, version 2");
  }
  const read = (name: TensorName): Float32Array => {
    const values = document[name];
    const size = sizeOf(name);
    if (!Array.isArray(values) || values.length !== size || !values.every(Number.isFinite)) {
      throw badFile(path, undefined, `${name} must be ${size} finite numbers`);
    }
    return Float32Array.from(values as number[]);
  };
  const tensors = tensorsOf(read);
  const gate = readGate(document.gate, path);
  return gate === undefined ? tensors : { ...tensors, gate };
}

function readGate(gate: unknown, path: string): PolicyGate | undefined {
  if (gate === undefined) return undefined;
  const isCell = (cell: Partial<GateCell> | null) =>
    cell !== null &&
    Number.isFinite(cell.rttMs) &&
    Number.isFinite(cell.load) &&
    typeof cell.isLearned === "boolean" &&
    SCHEDULER_NAMES.includes(cell.fallback as SchedulerName);
  if (Array.isArray(gate) && gate.every(isCell)) return gate as PolicyGate;
  const cell = "rttMs, load, isLearned and the fallback's name";
  throw badFile(path, undefined, `gate must be a list of cells with ${cell}`);
}
