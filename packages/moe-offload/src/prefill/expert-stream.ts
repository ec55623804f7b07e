import type { OnWait, SlotStream } from "./slot-stream.ts";

/** What computes batches layer by layer asks of whoever brings the experts. */
export type ExpertStream = Pick<
  SlotStream,
  | "abandon"
  | "beginPass"
  | "counts"
  | "done"
  | "endRouting"
  | "enterLayer"
  | "expect"
  | "isReady"
  | "need"
  | "onLoad"
  | "pump"
  | "settle"
  | "slotOf"
  | "waitForExpert"
  | "waitForNext"
> & { onWait: OnWait | undefined };
