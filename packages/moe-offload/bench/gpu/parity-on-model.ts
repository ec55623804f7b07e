import { GgmlLibrary } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import type { MoeEngine } from "../../src/engine/engine.ts";
import { sampleTokens } from "../../test/engine/sampled-text.ts";
import { evaluateText, type RoutingChange, routingChanges } from "./evaluated-text.ts";
import { inFloats, partsOf } from "./exact-weights.ts";
import {
  compareGreedyText,
  type GreedyResult,
  isIdenticalButTies,
  toleranceOf,
} from "./greedy-text.ts";
import { compareRows, type LogitComparison } from "./logit-comparison.ts";
import { type BenchModel, openOn, withModelFile } from "./open-model.ts";

const SEED = 20_261_123;
/**
 * Most that distributions may diverge, nats, mean over tokens, and at one token. Routing that falls
 * otherwise at a near tie changes experts, so that single logits have no bound worth stating.
 * Rounding on the CPU alone: 9e-4 and 5e-3 (shipped model, 8 tokens, against F32 weights).
 */
const KL_MEAN_MAX = 5e-3;
const KL_MAX = 0.05;

/** Lengths of prompts that are evaluated as one graph, as far as the text reaches. */
const PROMPT_LENGTHS = [2, 7, 33, 64, 100, 128, 200, 256, 300, 384, 512] as const;

/** Files up to this size are also compared with their weights in F32; chosen. */
const EXPANDED_BYTES_MAX = 200 * 2 ** 20;

/** A model file on the device against the CPU. */
export interface ModelParity {
  /** Token by token along a text that was written on the CPU; one graph a token on the device. */
  readonly forced: LogitComparison;
  /** The same with one graph a layer. */
  readonly split: LogitComparison;
  /**
   * The CPU and the device against the CPU with the same weights in F32: what rounding does on each
   * of them. Undefined for files too large to be expanded.
   */
  readonly exact: { readonly cpu: LogitComparison; readonly device: LogitComparison } | undefined;
  /** First token that was routed otherwise on the device, and how many tokens came before it. */
  readonly firstChange: RoutingChange | undefined;
  readonly sameRoutingSteps: number;
  readonly greedy: GreedyResult;
  /** The last token's logits of prompts evaluated as one graph. */
  readonly prefill: LogitComparison;
  readonly prefillLengths: readonly number[];
}

/** Compares a device with the CPU on a model file. */
export function compareOnModel(
  model: BenchModel,
  device: DeviceName,
  tokenCount: number,
): ModelParity {
  const contextLength = Math.min(model.description.contextLength, Math.max(tokenCount, 8));
  const cpu = openOn(model, { device: "cpu", contextLength });
  const card = openOn(model, { device, contextLength });
  try {
    const count = Math.min(tokenCount, contextLength);
    const tokens = sampleTokens(cpu.engine, createPrng(SEED, "text"), count);
    const reference = evaluateText(cpu.engine, tokens);
    const onDevice = evaluateText(card.engine, tokens);
    const { changes, sameSteps } = routingChanges(reference, onDevice);
    const split = splitGraphs(card.engine, () => evaluateText(card.engine, tokens));
    const prefillLengths = promptLengths(count);
    const prompts = (engine: MoeEngine) =>
      prefillLengths.map((length) => lastLogits(engine, tokens.subarray(0, length)));
    const first = tokens[0] ?? 0;
    const tolerance = toleranceOf(model.file);
    const greedy = compareGreedyText(cpu.engine, card.engine, first, count, tolerance);
    return {
      forced: compareRows(reference.logits, onDevice.logits),
      split: compareRows(reference.logits, split.logits),
      exact: compareWithExact(model, contextLength, tokens, reference.logits, onDevice.logits),
      firstChange: changes[0],
      sameRoutingSteps: sameSteps.length,
      greedy,
      prefill: compareRows(prompts(cpu.engine), prompts(card.engine)),
      prefillLengths,
    };
  } finally {
    card.close();
    cpu.close();
  }
}

/** Whether all comparisons are within the stated tolerance; near ties may fall either way. */
export function isWithin({ forced, greedy, prefill, split }: ModelParity): boolean {
  return [forced, split, prefill].every(areClose) && isIdenticalButTies(greedy);
}

/** Whether distributions diverge no more than the stated tolerance. */
export function areClose({ klMax, klMean }: LogitComparison): boolean {
  return klMean <= KL_MEAN_MAX && klMax <= KL_MAX;
}

/** Text that the model wrote on the CPU. */
export function textOf(model: BenchModel, tokens: number): Int32Array {
  const contextLength = Math.min(model.description.contextLength, tokens);
  const cpu = openOn(model, { device: "cpu", contextLength });
  try {
    return sampleTokens(cpu.engine, createPrng(SEED, "text"), contextLength);
  } finally {
    cpu.close();
  }
}

/** Runs with the graphs that are split by layer, as they are wherever experts are loaded. */
export function splitGraphs<T>(engine: MoeEngine, run: () => T): T {
  engine.onLayer = () => {};
  const result = run();
  engine.onLayer = undefined;
  return result;
}

function compareWithExact(
  model: BenchModel,
  contextLength: number,
  tokens: Int32Array,
  cpu: readonly Float32Array[],
  device: readonly Float32Array[],
): ModelParity["exact"] {
  if (model.file.sizeBytes > EXPANDED_BYTES_MAX) return undefined;
  const input = inFloats(GgmlLibrary.load(), partsOf(model.file));
  const exact = withModelFile(input, (expanded) => {
    const opened = openOn(expanded, { device: "cpu", contextLength });
    try {
      return evaluateText(opened.engine, tokens).logits;
    } finally {
      opened.close();
    }
  });
  return { cpu: compareRows(exact, cpu), device: compareRows(exact, device) };
}

function promptLengths(longest: number): number[] {
  const lengths = PROMPT_LENGTHS.filter((length) => length < longest);
  return longest > 1 ? [...lengths, longest] : [];
}

function lastLogits(engine: MoeEngine, prompt: Int32Array): Float32Array {
  engine.reset();
  return engine.prefill(prompt).slice();
}
