import { GgmlLibrary, type GgufInput, type GgufValue, type TensorTypeName } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import type { MoeEngine } from "../../src/engine/engine.ts";
import { type RandomModel, randomModel } from "../../test/engine/random-model.ts";
import { BYTE_TOKENS } from "../../test/model/byte-tokenizer.ts";
import {
  type EvaluatedText,
  evaluateText,
  type RoutingChange,
  routingChanges,
} from "./evaluated-text.ts";
import { inFloats } from "./exact-weights.ts";
import { compareRows, type LogitComparison } from "./logit-comparison.ts";
import { openOn, withModelFile } from "./open-model.ts";

/**
 * Largest difference that is allowed, in spreads of the logits. The CPU rounds what goes into a
 * product with quantised weights to 8 bits, and to half precision for F16; cards round to 8 bits in
 * blocks of other lengths, or not at all. In these models rounding on the CPU alone moves logits by
 * up to 0.09 spreads (0.004 for F16), which every run measures; the tolerance is three times that,
 * for two machines that round independently. A wrong expert or block moves them by a spread.
 */
const EIGHT_BITS = 0.25;
export const TOLERANCES: Partial<Record<TensorTypeName, number>> = {
  F32: 0.01,
  F16: 0.015,
  BF16: 0.05,
  Q8_0: EIGHT_BITS,
  Q4_0: EIGHT_BITS,
  Q4_1: EIGHT_BITS,
  Q5_0: EIGHT_BITS,
  Q5_1: EIGHT_BITS,
  Q2_K: EIGHT_BITS,
  Q3_K: EIGHT_BITS,
  Q4_K: EIGHT_BITS,
  Q5_K: EIGHT_BITS,
  Q6_K: EIGHT_BITS,
  IQ4_NL: EIGHT_BITS,
  IQ4_XS: EIGHT_BITS,
};

/** Types that are tried when none is named. */
export const DEFAULT_TYPES = [
  ...["F16", "Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q5_K", "Q6_K", "Q2_K", "IQ4_NL"],
] as TensorTypeName[];

/** Rows are whole blocks of every type; half of the experts are used. */
const MODEL: RandomModel = {
  architecture: "qwen2moe",
  seed: 20_261_123,
  layers: 3,
  width: 256,
  heads: 4,
  kvHeads: 2,
  experts: 8,
  used: 4,
  inner: 256,
  sharedInner: 256,
  context: 64,
  ropeBase: 10_000,
  epsilon: 1e-6,
  biases: false,
};
const MATRICES = [
  ...["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"],
  ...["ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"],
  ...["attn_q", "attn_k", "attn_v", "attn_output"],
];
/** A token that is routed otherwise ends the comparison of its sequence; so they are short. */
const SEQUENCE_TOKENS = 4;
/** Prompts in a model that uses all its experts: none is routed otherwise. */
const PROMPT_LENGTHS = [2, 8, 20, 48];
/** Of the tokens at least this share must be comparable. */
const SAME_ROUTING_MIN = 0.5;

/** One type of weights on the device against the CPU. */
export interface QuantisationResult {
  readonly type: TensorTypeName;
  /** Largest difference that is allowed, in spreads. */
  readonly tolerance: number;
  /** Tokens before the first that was routed otherwise in its sequence. */
  readonly comparison: LogitComparison;
  /** `differenceMax` in spreads. */
  readonly relativeMax: number;
  /** The same of the CPU and of the device against a model of the same weights in F32. */
  readonly cpuToExact: number;
  readonly deviceToExact: number;
  /** Prompts as one graph each, in a model that uses all its experts. */
  readonly prefill: LogitComparison;
  readonly tokens: number;
  readonly changes: readonly RoutingChange[];
  readonly isWithin: boolean;
}

/**
 * A model of random weights of one type, on the device and on the CPU.
 * @throws Error for a type without a stated tolerance
 */
export function compareQuantisation(
  type: TensorTypeName,
  device: DeviceName,
  tokenCount: number,
): QuantisationResult {
  const tolerance = TOLERANCES[type];
  if (tolerance === undefined) throw new Error(`no tolerance is stated for ${type}`);
  const tokens = randomTokens(tokenCount);
  const types = Object.fromEntries(MATRICES.map((name) => [name, type]));
  const input = randomModel({ ...MODEL, types });
  const decode = (engine: MoeEngine) => evaluateText(engine, tokens, SEQUENCE_TOKENS);
  const cpu = onMadeUp(input, "cpu", decode);
  const card = onMadeUp(input, device, decode);
  const exact = onMadeUp(inFloats(GgmlLibrary.load(), input), "cpu", decode);
  const { changes, sameSteps } = routingChanges(cpu, card, SEQUENCE_TOKENS);
  const comparison = compareSteps(cpu, card, sameSteps);
  const all = withAllExperts(input);
  const prefill = compareRows(onMadeUp(all, "cpu", prompts), onMadeUp(all, device, prompts));
  const relativeMax = relativeDifference(comparison);
  return {
    ...{ type, tolerance, comparison, relativeMax, prefill, changes, tokens: tokenCount },
    cpuToExact: relativeDifference(compareSame(exact, cpu)),
    deviceToExact: relativeDifference(compareSame(exact, card)),
    isWithin:
      Math.max(relativeMax, relativeDifference(prefill)) <= tolerance &&
      sameSteps.length >= SAME_ROUTING_MIN * tokenCount,
  };
}

/** The largest difference in spreads of the reference. */
export function relativeDifference({ differenceMax, spread }: LogitComparison): number {
  return differenceMax / spread;
}

function onMadeUp<T>(input: GgufInput, device: DeviceName, run: (engine: MoeEngine) => T): T {
  return withModelFile(input, (model) => {
    const opened = openOn(model, { device, contextLength: MODEL.context });
    try {
      return run(opened.engine);
    } finally {
      opened.close();
    }
  });
}

function prompts(engine: MoeEngine): Float32Array[] {
  return PROMPT_LENGTHS.map((length) => {
    engine.reset();
    return engine.prefill(randomTokens(length)).slice();
  });
}

function randomTokens(count: number): Int32Array {
  const prng = createPrng(MODEL.seed, "tokens");
  return Int32Array.from({ length: count }, () => prng.nextInt(BYTE_TOKENS.length));
}

function withAllExperts(input: GgufInput): GgufInput {
  const key = `${MODEL.architecture}.expert_used_count`;
  const metadata = [...input.metadata].map(([name, value]): [string, GgufValue] =>
    name === key ? [name, { type: "uint32", value: MODEL.experts }] : [name, value],
  );
  return { ...input, metadata };
}

function compareSame(reference: EvaluatedText, other: EvaluatedText): LogitComparison {
  const { sameSteps } = routingChanges(reference, other, SEQUENCE_TOKENS);
  return compareSteps(reference, other, sameSteps);
}

function compareSteps(reference: EvaluatedText, other: EvaluatedText, steps: readonly number[]) {
  const pick = ({ logits }: EvaluatedText) => steps.flatMap((step) => logits[step] ?? []);
  return compareRows(pick(reference), pick(other));
}
