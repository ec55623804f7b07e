import type { ShapeConfig } from "../definitions/shape.ts";
import { bytesOf, megabytesPerSecondOf } from "../definitions/sizes.ts";
import { expertBytesWithin } from "../engine/vram-budget.ts";
import { describeModel } from "../model/description.ts";
import { expertLayout } from "../model/expert-layout.ts";
import { openShape } from "../shapes/shape-file.ts";
import { SHAPE_MODELS } from "../shapes/shape-model.ts";
import { shrinkShape } from "../shapes/shrink.ts";

/**
 * A config whose budgets are numbers: `vram` has become the slots that it leaves beside weights,
 * cache and scratch, `linkSpeed` the bandwidth.
 *
 * @throws MoeError `BAD_SETTING` when not even the experts of one token fit in `vram`
 */
export function withBudgets(config: ShapeConfig): ShapeConfig {
  const vramBytes = bytesOf(config.vram);
  return {
    ...config,
    slots: vramBytes === undefined ? config.slots : [slotsWithin(vramBytes, config)],
    linkMBps: megabytesPerSecondOf(config.linkSpeed) ?? config.linkMBps,
  };
}

function slotsWithin(vramBytes: number, { layers, shape, storage, tokens }: ShapeConfig): number {
  const whole = SHAPE_MODELS[shape];
  const isCut = layers > 0 && layers < whole.layerCount;
  const cut = isCut ? shrinkShape(whole, { layerCount: layers }) : whole;
  const file = openShape(cut, { storage: { experts: storage, dense: storage } });
  try {
    const model = describeModel(file);
    const layout = expertLayout(file, model);
    const left = expertBytesWithin(vramBytes, { file, model, layout, contextTokens: tokens });
    const total = layout.moeLayers.length * layout.expertCount;
    return Math.min(total, Math.floor(left / layout.expertBytes));
  } finally {
    file.close();
  }
}
