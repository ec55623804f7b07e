import type { SlotPool } from "../engine/interfaces.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { Lane } from "../offload/lane.ts";
import { SlotStream } from "./slot-stream.ts";

/** A stream over slots that hold every expert, in natural order: nothing is ever loaded. */
export function residentStream(layout: ExpertLayout, pool: SlotPool): SlotStream {
  const stream = new SlotStream({
    shape: layout,
    lane: RESIDENT_LANE,
    classes: pool.classes,
    classOfLayer: (layer) => pool.classOfLayer(layer).index,
  });
  const { expertCount, moeLayers } = layout;
  stream.adopt(
    moeLayers.flatMap((layer) =>
      Array.from({ length: expertCount }, (_, expert) => ({
        key: layer * expertCount + expert,
        slot: pool.residentSlot(layer, expert),
      })),
    ),
  );
  return stream;
}

const RESIDENT_LANE: Lane = {
  nowMs: () => 0,
  submit: () => {
    throw new Error("every expert is resident");
  },
  promote: () => {},
  withdraw: () => false,
  isReady: () => true,
  waitFor: () => {},
  prefetchesPending: 0,
  pending: 0,
  drain: () => {},
};
