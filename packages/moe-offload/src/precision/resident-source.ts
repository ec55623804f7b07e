import { GgmlLibrary, type GgufFile, hasFiniteBlocks } from "@fmlab/ggml";
import type { ExpertPart, ExpertSource, SlotPool } from "../engine/interfaces.ts";
import { badModel } from "../model/description.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";

/**
 * Reads every expert of a layer into memory.
 *
 * @param viewOf  memory of one part of one expert
 * @throws MoeError `BAD_MODEL` for weights that are not finite
 * @throws GgufError `TRUNCATED` | `UNREADABLE`
 */
export function loadLayer(
  file: GgufFile,
  layout: ExpertLayout,
  layer: number,
  viewOf: (expert: number, part: ExpertPart) => Uint8Array,
): void {
  const library = GgmlLibrary.load();
  for (const { name, type } of layout.classOfLayer(layer).parts) {
    for (let expert = 0; expert < layout.expertCount; expert++) {
      const { offset, fileIndex } = layout.range(layer, expert, name);
      const bytes = viewOf(expert, name);
      file.read(offset, bytes, fileIndex);
      if (hasFiniteBlocks(library, type, bytes)) continue;
      const place = `the ${name} matrix of expert ${expert} of layer ${layer}`;
      throw badModel(file, `${place} holds weights that are not finite`);
    }
  }
}

/**
 * Loads every expert of a model into its own slot, for runs in which nothing is to be missing.
 *
 * @param pool  with a slot for every expert
 * @throws MoeError | GgufError as `loadLayer`; whatever `throwIfCancelled` throws
 */
export function residentSource(
  file: GgufFile,
  layout: ExpertLayout,
  pool: SlotPool,
  throwIfCancelled: () => void = () => {},
): ExpertSource {
  for (const layer of layout.moeLayers) {
    throwIfCancelled();
    loadLayer(file, layout, layer, (expert, part) =>
      pool.view(pool.residentSlot(layer, expert), part),
    );
  }
  return {
    allResident: true,
    request({ experts, layer }, slots) {
      for (let i = 0; i < experts.length; i++) {
        slots[i] = pool.residentSlot(layer, experts[i] ?? 0);
      }
    },
    isReady: () => true,
    waitFor: () => {},
    release: () => {},
  };
}
