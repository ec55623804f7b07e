import type { Urgency } from "../offload/lane.ts";
import type { LinkGate } from "./link-gate.ts";

/** How far a transfer has come. */
export const STAGE = {
  /** The place has nothing to do. */
  free: 0,
  /** Its bytes come from disk. */
  reading: 1,
  /** The bytes are in the slot, or on their way there; the disk's link takes longer. */
  onDisk: 2,
  /** Its bytes are on their way to the slot. */
  copying: 3,
  /** The bytes are in the slot; the link to fast memory takes longer. */
  onFast: 4,
} as const;

/** A place of a reading thread, and the load that it carries out. */
export class Transfer {
  readonly place: number;
  readonly disk: LinkGate;
  readonly fast: LinkGate;
  stage: number = STAGE.free;
  key = 0;
  slot = 0;
  ticket = 0;
  bytes = 0;
  urgency: Urgency = "demand";
  submittedMs = 0;
  /** When it began on its first link. */
  startMs = 0;
  /** When the one before it ended. */
  lastEndMs = 0;
  /** Counts up with every copy begun: the oldest is done first. */
  copyNumber = 0;
  /** Place in host memory to fill as well; -1 for none. */
  held = -1;
  /** Parts that have been moved into the slot, and their bytes. */
  partsMoved = 0;
  bytesMoved = 0;

  /** @param place  numbers the places of the thread */
  constructor(place: number, disk: LinkGate, fast: LinkGate) {
    this.place = place;
    this.disk = disk;
    this.fast = fast;
  }

  /** When the link that it is on lets it go. */
  get endMs(): number {
    return this.stage === STAGE.onDisk ? this.disk.endMs : this.fast.endMs;
  }
}
