import { GgmlLibrary, type GgufFile, hasFiniteBlocks } from "@fmlab/ggml";
import type { ExpertPart, ExpertSource, SlotPool } from "../engine/interfaces.ts";
import { badModel } from "../model/description.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";

/**
 * Reads every expert of a layer into its slot, on the host or on a card.
 *
 * @param slotOf  of each expert of the layer
 * @throws MoeError `BAD_MODEL` for weights that are not finite
 * @throws GgufError `TRUNCATED` | `UNREADABLE`
 */
export function loadLayer(
  file: GgufFile,
  layout: ExpertLayout,
  layer: number,
  pool: SlotPool,
  slotOf: (expert: number) => number,
): void {
  const library = GgmlLibrary.load();
  for (const { name, type } of layout.classOfLayer(layer).parts) {
    for (let expert = 0; expert < layout.expertCount; expert++) {
      const { offset, fileIndex } = layout.range(layer, expert, name);
      fillPart(pool, slotOf(expert), name, (bytes) => {
        file.read(offset, bytes, fileIndex);
        if (hasFiniteBlocks(library, type, bytes)) return;
        const place = `the ${name} matrix of expert ${expert} of layer ${layer}`;
        throw badModel(file, `${place} holds weights that are not finite`);
      });
    }
  }
}

/** Reads a part of a slot where it lies, or through memory of the host into that of a card. */
function fillPart(
  pool: SlotPool,
  slot: number,
  part: ExpertPart,
  read: (bytes: Uint8Array) => void,
): void {
  const { sizeBytes, tensor } = pool.place(slot, part);
  if (tensor.bufferIfPlaced()?.isHost) {
    read(pool.view(slot, part));
    return;
  }
  const bytes = new Uint8Array(sizeBytes);
  read(bytes);
  pool.write(slot, part, bytes);
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
    loadLayer(file, layout, layer, pool, (expert) => pool.residentSlot(layer, expert));
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
