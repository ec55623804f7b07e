import { getInteger, getNumber, getString } from "@fmlab/ggml";
import { badModel, describeModel, type ModelDescription } from "../model/description.ts";
import type { ModelFile } from "./interfaces.ts";

/** What the graphs need to know beside a model's description. */
export interface HyperParameters extends ModelDescription {
  /** Elements of each head that rotary embedding turns. */
  readonly ropeDimensions: number;
  /** 1 / scaling factor of positions. */
  readonly ropeFrequencyScale: number;
  /** Width of the keys (and values) of one token: all key-value heads. */
  readonly keyLength: number;
}

/**
 * Reads every number the graphs depend on.
 * @throws MoeError `UNSUPPORTED_ARCHITECTURE` | `BAD_MODEL`, GgufError `MISSING_KEY` | `WRONG_KEY`
 * @see llama.cpp src/llama-model.cpp `load_hparams` (b7347)
 */
export function readHyperParameters(file: ModelFile): HyperParameters {
  const model = describeModel(file);
  const prefix = model.architecture;
  const headLength = model.headLength;
  for (const key of ["key_length", "value_length"]) {
    const length = getInteger(file, `${prefix}.attention.${key}`, { fallback: headLength });
    if (length !== headLength) {
      throw badModel(file, `attention.${key} ${length} differs from width / heads ${headLength}`);
    }
  }
  if (model.sharedFeedForwardLength < 1) {
    throw badModel(file, "it has no shared expert, which qwen2moe needs");
  }
  const ropeDimensions = getInteger(file, `${prefix}.rope.dimension_count`, {
    min: 2,
    max: headLength,
    fallback: headLength,
  });
  if (ropeDimensions % 2 !== 0)
    throw badModel(file, `rope.dimension_count ${ropeDimensions} is odd`);
  return {
    ...model,
    ropeDimensions,
    ropeFrequencyScale: ropeScale(file, prefix),
    keyLength: model.headCountKv * headLength,
  };
}

function ropeScale(file: ModelFile, prefix: string): number {
  const type = getString(file, `${prefix}.rope.scaling.type`, "none");
  if (type === "none") return 1;
  if (type !== "linear") {
    throw badModel(
      file,
      `its positions are scaled by "${type}"; this version knows linear scaling`,
    );
  }
  return 1 / getNumber(file, `${prefix}.rope.scaling.factor`, { min: 1e-3, max: 1e6 });
}
