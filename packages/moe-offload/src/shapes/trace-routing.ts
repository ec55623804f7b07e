import type { Routing, RoutingShape } from "../offload/routing.ts";
import { RoutingCursor } from "../traces/routing-cursor.ts";
import { badTrace, sequenceStarts, type Trace } from "../traces/trace.ts";

/** Consecutive tokens of a trace that belong to one text. */
export interface TraceSequence {
  /** Its number in the trace. */
  readonly firstToken: number;
  readonly tokenCount: number;
}

/** A stretch of one sequence whose routing is asked for at once; see `TraceRouting.span`. */
export type PromptSpan = TraceSequence;

/**
 * Says of a model with random routers what a trace says instead. Tokens are those of the trace:
 * `tokenAt` finds them by sequence and position. Reads only; one object may serve several engines
 * of one thread.
 */
export class TraceRouting {
  readonly trace: Trace;
  readonly sequences: readonly TraceSequence[];
  readonly #cursor: RoutingCursor;
  /** By layer: its place in `shape.moeLayers`, or -1. */
  readonly #indexOf: Int32Array;

  /**
   * @param shape  of the model whose routing is replaced
   * @throws MoeError `BAD_TRACE` when the trace is of another shape, or empty
   */
  constructor(trace: Trace, shape: RoutingShape) {
    requireShape(trace, shape);
    this.trace = trace;
    this.#cursor = new RoutingCursor(trace);
    this.#indexOf = new Int32Array(shape.layerCount).fill(-1);
    shape.moeLayers.forEach((layer, index) => {
      this.#indexOf[layer] = index;
    });
    const starts = sequenceStarts(trace);
    this.sequences = starts.map((firstToken, i) => ({
      firstToken,
      tokenCount: (starts[i + 1] ?? trace.tokenCount) - firstToken,
    }));
  }

  /**
   * The token of the trace at a place of a text.
   *
   * @param sequence  number of the text; beyond the last the first comes again
   * @param position  from 0
   * @throws MoeError `BAD_TRACE` when the sequence is shorter
   */
  tokenAt(sequence: number, position: number): number {
    const found = this.sequences[sequence % this.sequences.length];
    if (found !== undefined && position < found.tokenCount) return found.firstToken + position;
    throw badTrace(
      nameOf(this.trace),
      `its sequence ${sequence % this.sequences.length} has ${found?.tokenCount ?? 0} tokens, but ` +
        `the one at position ${position} is asked for`,
      "Generate or record sequences as long as prompt and answer together.",
    );
  }

  /**
   * The tokens of the trace that stand for a batch of a prompt.
   *
   * @param position    of the first, from 0
   * @param tokenCount  at least 1
   * @throws MoeError `BAD_TRACE` when the sequence is shorter
   */
  span(sequence: number, position: number, tokenCount: number): PromptSpan {
    this.tokenAt(sequence, position + tokenCount - 1);
    return { firstToken: this.tokenAt(sequence, position), tokenCount };
  }

  /**
   * Replaces what a router said: experts, probabilities and the logits ahead, as many as there are
   * in `routing`. Its layer, token number and position stay.
   *
   * @param token    of the trace
   * @param routing  of a layer with experts; its arrays are written
   * @throws MoeError `BAD_TRACE` when logits ahead are to be replaced that the trace does not hold
   */
  overwrite(token: number, routing: Routing): void {
    const said = this.#cursor.at(token, this.#index(routing.layer));
    if (said.ahead.length < routing.ahead.length) {
      throw this.#noAhead(routing.ahead.length);
    }
    routing.experts.set(said.experts);
    routing.probabilities.set(said.probabilities);
    routing.ahead.forEach((logits, d) => {
      logits.set(said.ahead[d] ?? []);
    });
  }

  /**
   * The experts of a prompt's tokens in one layer.
   *
   * @param out  `[tokens, expertUsedCount]`, row-major, as `RoutingHook` gives them
   */
  promptExperts(layer: number, span: PromptSpan, out: Int32Array): void {
    const { experts, shape } = this.trace;
    this.#copyRows(experts, shape.expertUsedCount, layer, span, out);
  }

  /**
   * The router's probabilities of a prompt's tokens in one layer.
   *
   * @param out  `[tokens, expertCount]`; where the trace has none, the chosen share 1 equally
   */
  promptProbabilities(layer: number, span: PromptSpan, out: Float32Array): void {
    const { experts, probabilities, shape } = this.trace;
    const { expertCount, expertUsedCount, moeLayers } = shape;
    if (probabilities !== undefined) {
      this.#copyRows(probabilities, expertCount, layer, span, out);
      return;
    }
    out.fill(0);
    const index = this.#index(layer);
    for (let i = 0; i < span.tokenCount; i++) {
      const row = (span.firstToken + i) * moeLayers.length + index;
      for (let k = 0; k < expertUsedCount; k++) {
        out[i * expertCount + (experts[row * expertUsedCount + k] ?? 0)] = 1 / expertUsedCount;
      }
    }
  }

  /**
   * Logits of a later layer's router applied to the state of `layer`, for a prompt's tokens.
   *
   * @param depth  layers ahead, from 1; the target must exist
   * @param out    `[tokens, expertCount]`
   * @throws MoeError `BAD_TRACE` when the trace does not hold them
   */
  promptAhead(layer: number, depth: number, span: PromptSpan, out: Float32Array): void {
    const { ahead, aheadDepth, shape } = this.trace;
    if (ahead === undefined || depth > aheadDepth) throw this.#noAhead(depth);
    if ((this.#indexOf[layer + depth] ?? -1) < 0) {
      throw new RangeError(`the model has no experts in layer ${layer + depth}`);
    }
    const index = this.#index(layer);
    const { expertCount, moeLayers } = shape;
    for (let i = 0; i < span.tokenCount; i++) {
      const row = (span.firstToken + i) * moeLayers.length + index;
      const at = (row * aheadDepth + depth - 1) * expertCount;
      out.set(ahead.subarray(at, at + expertCount), i * expertCount);
    }
  }

  #copyRows<T extends Float32Array | Uint16Array>(
    source: T,
    length: number,
    layer: number,
    { firstToken, tokenCount }: PromptSpan,
    out: Float32Array | Int32Array,
  ): void {
    const layers = this.trace.shape.moeLayers.length;
    const index = this.#index(layer);
    for (let i = 0; i < tokenCount; i++) {
      const at = ((firstToken + i) * layers + index) * length;
      out.set(source.subarray(at, at + length), i * length);
    }
  }

  #index(layer: number): number {
    const index = this.#indexOf[layer] ?? -1;
    if (index < 0) throw new RangeError(`the model has no experts in layer ${layer}`);
    return index;
  }

  #noAhead(depth: number) {
    const { ahead, aheadDepth } = this.trace;
    const held = ahead === undefined ? 0 : aheadDepth;
    return badTrace(
      nameOf(this.trace),
      `it holds logits of ${held} layers ahead, but those of ${depth} are to be replaced`,
      "Derive them (`withDerivedAhead`), or open the engine with a smaller depth.",
    );
  }
}

/** How a model makes the weights of a token's experts from its router's probabilities. */
export interface WeightRule {
  /** They are divided by their sum. */
  readonly renormalises: boolean;
  /** They are multiplied by it after that. */
  readonly scale: number;
}

/** Least sum that weights are divided by. @see llama.cpp llama-graph.cpp `build_moe_ffn` (b7347) */
const WEIGHT_SUM_MIN = 2 ** -14;

/**
 * The weights that a model's graphs would have given to experts of replayed routing.
 *
 * @param probabilities  `[tokens, expertCount]`
 * @param experts        `[tokens, expertUsedCount]`
 * @param out            as `experts`
 */
export function expertWeights(
  { renormalises, scale }: WeightRule,
  shape: Pick<RoutingShape, "expertCount" | "expertUsedCount">,
  probabilities: Float32Array,
  experts: Int32Array,
  out: Float32Array,
): void {
  const { expertCount, expertUsedCount: used } = shape;
  for (let first = 0, row = 0; first < experts.length; first += used, row += expertCount) {
    let sum = 0;
    for (let i = first; i < first + used; i++) {
      const weight = probabilities[row + (experts[i] ?? 0)] ?? 0;
      out[i] = weight;
      sum += weight;
    }
    const factor = renormalises ? scale / Math.max(sum, WEIGHT_SUM_MIN) : scale;
    for (let i = first; i < first + used; i++) out[i] = (out[i] ?? 0) * factor;
  }
}

function requireShape(trace: Trace, shape: RoutingShape): void {
  const name = nameOf(trace);
  if (trace.tokenCount === 0) throw badTrace(name, "it holds no tokens", "Record some.");
  const text = ({ layerCount, moeLayers, expertCount, expertUsedCount }: RoutingShape) =>
    `${expertUsedCount} of ${expertCount} experts in layers ${moeLayers.join(" ")} of ${layerCount}`;
  if (text(trace.shape) === text(shape)) return;
  throw badTrace(
    name,
    `it routes to ${text(trace.shape)}, but the model to ${text(shape)}`,
    "Use a trace of this model's shape.",
  );
}

function nameOf({ provenance }: Trace): string {
  return `of ${provenance.model} (${provenance.origin})`;
}
