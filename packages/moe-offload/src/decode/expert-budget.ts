import { openGguf } from "@fmlab/ggml";
import { bytesOf } from "../definitions/sizes.ts";
import { expertBytesWithin } from "../engine/vram-budget.ts";
import { describeModel } from "../model/description.ts";
import { expertLayout } from "../model/expert-layout.ts";

const MIB = 1_048_576;

/** What a config says of memory. */
export interface BudgetSettings {
  readonly budgetMiB: number;
  /** As the field `vram`; where it is not empty, it takes the place of `budgetMiB`. */
  readonly vram: string;
}

/**
 * Bytes of fast memory for experts.
 *
 * @param contextTokens  that are wanted; the model may hold fewer
 * @throws MoeError `BAD_SETTING` when not even the experts of one token fit in `vram`
 */
export function expertBudgetBytes(
  { budgetMiB, vram }: BudgetSettings,
  modelPath: string,
  contextTokens: number,
): number {
  const vramBytes = bytesOf(vram);
  if (vramBytes === undefined) return Math.floor(budgetMiB * MIB);
  const file = openGguf(modelPath);
  try {
    const model = describeModel(file);
    const layout = expertLayout(file, model);
    return expertBytesWithin(vramBytes, {
      ...{ file, model, layout },
      contextTokens: Math.min(contextTokens, model.contextLength),
    });
  } finally {
    file.close();
  }
}
