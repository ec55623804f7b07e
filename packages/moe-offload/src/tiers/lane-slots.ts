import { GgmlLibrary } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import { EXPERT_PARTS, type SlotPool } from "../engine/interfaces.ts";
import type { TransferLaneOptions } from "./transfer-lane.ts";

/** The slots of a pool as a lane is given them, in memory of the host or of a card. */
export function laneSlots(
  pool: SlotPool,
  device: DeviceName = "cpu",
): TransferLaneOptions["slots"] {
  const bySlot = <T>(show: (slot: number, part: (typeof EXPERT_PARTS)[number]) => T) =>
    Array.from({ length: pool.slotCount }, (_, slot) =>
      EXPERT_PARTS.map((part) => show(slot, part)),
    );
  if (device === "cpu") {
    return bySlot((slot, part) => ({
      address: pool.address(slot, part),
      sizeBytes: pool.place(slot, part).sizeBytes,
    }));
  }
  const places = bySlot((slot, part) => pool.place(slot, part));
  return { device, library: GgmlLibrary.load(), places };
}
