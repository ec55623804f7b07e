import { type GgufFile, tensorTypeInfo } from "@fmlab/ggml";
import type { MoeEngine } from "../../src/engine/engine.ts";
import { argmax } from "../../test/engine/sampled-text.ts";
import { type EvaluatedText, evaluateText } from "./evaluated-text.ts";
import { compareRows, type NearTie, tieOf } from "./logit-comparison.ts";
import { TOLERANCES } from "./quantisations.ts";

/** A step at which the device's likeliest token is another than the CPU's. */
export interface GreedyDifference {
  readonly tie: NearTie;
  /** What was between the two tokens on each machine, as a share of the tolerance. */
  readonly referenceShare: number;
  readonly deviceShare: number;
  /** The first layer whose router chose otherwise in this step; undefined: all chose the same. */
  readonly rerouted: { readonly layer: number; readonly margin: number } | undefined;
  /** Both gaps are within the tolerance: rounding explains it. */
  readonly isNearTie: boolean;
}

/** The device along the text that the CPU writes greedily, whatever it would have chosen. */
export interface GreedyFollowed {
  readonly tokens: number;
  /** Largest difference of a logit that is allowed, in logits. */
  readonly tolerance: number;
  readonly differences: readonly GreedyDifference[];
}

/** Text that each machine writes by itself, always the likeliest token. */
export interface GreedyResult {
  readonly tokens: number;
  /** Tokens that are the same from the start on. */
  readonly sameTokens: number;
  /** What decided the first that differs; its step is the place in the text. */
  readonly nearTie: NearTie | undefined;
  /** The same text with the device held to it to the end. */
  readonly followed: GreedyFollowed;
}

/**
 * Writes greedily on both machines until they differ, then holds the device to the CPU's text.
 * @param toleranceSpreads  largest difference of a logit that is allowed, in spreads of a row
 */
export function compareGreedyText(
  cpu: MoeEngine,
  card: MoeEngine,
  first: number,
  tokens: number,
  toleranceSpreads: number,
): GreedyResult {
  cpu.reset();
  card.reset();
  const text = new Int32Array(tokens);
  let token = first;
  let nearTie: NearTie | undefined;
  for (let step = 0; step < tokens; step++) {
    text[step] = token;
    const reference = cpu.decode(token);
    // From the first difference on the device would write another text.
    nearTie ??= tieOf(reference, card.decode(token), step);
    token = argmax(reference);
  }
  const followed = judgeGreedy(evaluateText(cpu, text), evaluateText(card, text), toleranceSpreads);
  return { tokens, sameTokens: nearTie?.step ?? tokens, nearTie, followed };
}

/** Judges two evaluations of one greedy text. @param toleranceSpreads  as `compareGreedyText` */
export function judgeGreedy(
  reference: EvaluatedText,
  device: EvaluatedText,
  toleranceSpreads: number,
): GreedyFollowed {
  const { nearTies, rows, spread } = compareRows(reference.logits, device.logits);
  const tolerance = toleranceSpreads * spread;
  const differences = nearTies.map((tie) => ({
    tie,
    referenceShare: tie.referenceGap / tolerance,
    deviceShare: tie.deviceGap / tolerance,
    rerouted: reroutedIn(reference, device, tie.step),
    isNearTie: tie.referenceGap < tolerance && tie.deviceGap < tolerance,
  }));
  return { tokens: rows, tolerance, differences };
}

/** Whether the text is identical except where rounding explains that it is not. */
export function isIdenticalButTies({ followed, nearTie }: GreedyResult): boolean {
  const first = followed.differences[0];
  // Up to the first difference both ways evaluate the same; otherwise one of them is wrong.
  return first?.tie.step === nearTie?.step && followed.differences.every((one) => one.isNearTie);
}

/**
 * The tolerance that is stated for a file's weights: that of the coarsest type, in spreads.
 * @throws Error for a type without a stated tolerance
 */
export function toleranceOf(file: GgufFile): number {
  const names = new Set(Array.from(file.tensors.values(), ({ type }) => tensorTypeInfo(type).name));
  const tolerances = Array.from(names, (name) => {
    const tolerance = TOLERANCES[name];
    if (tolerance === undefined) throw new Error(`no tolerance is stated for ${name}`);
    return tolerance;
  });
  return Math.max(...tolerances);
}

function reroutedIn(
  reference: EvaluatedText,
  device: EvaluatedText,
  step: number,
): GreedyDifference["rerouted"] {
  const own = reference.experts[step] ?? [];
  const layer = own.findIndex((chosen, rank) => chosen !== device.experts[step]?.[rank]);
  if (layer < 0) return undefined;
  return { layer, margin: reference.margins[step]?.[layer] ?? Number.NaN };
}
