import { MoeError } from "../errors.ts";
import type { ShapeModel } from "./shape-model.ts";

/** How a shape is made smaller; what is left out stays as it is. */
export interface Shrinkage {
  /** Layers kept, those without experts at the start among them; one with experts at least. */
  readonly layerCount?: number;
  /** Experts of a layer; a token then uses no more than there are. */
  readonly expertCount?: number;
  /**
   * Divides widths, and heads of 128 elements with them; inner widths are rounded down to whole
   * blocks of 32.
   */
  readonly widthDivisor?: number;
  readonly vocabularySize?: number;
  readonly contextLength?: number;
}

/** Elements of a block of every type whose blocks are not 256 long. */
const BLOCK_ELEMENTS = 32;

/**
 * The same architecture with fewer and smaller parts, to be tried where the whole does not fit. Its
 * label says so.
 *
 * @throws MoeError `BAD_SETTING`
 */
export function shrinkShape(model: ShapeModel, shrinkage: Shrinkage): ShapeModel {
  const divisor = shrinkage.widthDivisor ?? 1;
  requireAtMost("widthDivisor", divisor, model.headCountKv);
  const inner = (length: number) => Math.floor(length / divisor / BLOCK_ELEMENTS) * BLOCK_ELEMENTS;
  const layerCount = shrinkage.layerCount ?? model.layerCount;
  requireAtMost("layerCount", layerCount - model.denseLead, model.layerCount - model.denseLead);
  const expertCount = shrinkage.expertCount ?? model.expertCount;
  requireAtMost("expertCount", expertCount, model.expertCount);
  const vocabularySize = shrinkage.vocabularySize ?? model.vocabularySize;
  requireAtMost("vocabularySize", vocabularySize, model.vocabularySize);
  const contextLength = shrinkage.contextLength ?? model.contextLength;
  requireAtMost("contextLength", contextLength, model.contextLength);
  const routedCount = layerCount - model.denseLead;
  return {
    ...model,
    layerCount,
    expertCount,
    expertUsedCount: Math.min(model.expertUsedCount, expertCount),
    embeddingLength: model.embeddingLength / divisor,
    headCount: model.headCount / divisor,
    headCountKv: model.headCountKv / divisor,
    expertLength: inner(model.expertLength),
    // Counted in experts by some architectures.
    sharedLength: (model.sharedLength / model.expertLength) * inner(model.expertLength),
    denseLength: inner(model.denseLength),
    vocabularySize,
    contextLength,
    shrunk:
      `${layerCount} of ${model.layerCount} layers (${routedCount} with experts), ` +
      `${expertCount} of ${model.expertCount} experts, widths divided by ${divisor}, ` +
      `vocabulary ${vocabularySize}`,
  };
}

function requireAtMost(setting: string, value: number, most: number): void {
  const divides = setting !== "widthDivisor" || most % value === 0;
  if (Number.isSafeInteger(value) && value >= 1 && value <= most && divides) return;
  const expected =
    setting === "widthDivisor" ? `a divisor of ${most}` : `a whole number from 1 to ${most}`;
  throw new MoeError(`a shape's ${setting} is ${value}, expected ${expected}.`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected,
  });
}
