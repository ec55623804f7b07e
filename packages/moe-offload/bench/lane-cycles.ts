import { readdirSync } from "node:fs";
import { isDomainError } from "@fmlab/experiment";
import type { ExpertRanges } from "../src/tiers/expert-table.ts";
import { TransferLane } from "../src/tiers/transfer-lane.ts";
import { TestSlots } from "../test/tiers/synthetic.ts";
import { measureGrowth } from "./resident-memory.ts";

/** Experts that lanes are opened on. */
export interface CycledModel {
  readonly layout: ExpertRanges;
  /** Gate, up, down. */
  readonly partBytes: readonly [number, number, number];
  /** The same experts in a file that ends before `lostKey`, which is none of the first three. */
  readonly cutLayout: ExpertRanges;
  readonly lostKey: number;
}

/** What many lanes, opened and closed one after another, left behind. */
export interface CyclesResult {
  readonly handlesBefore: number;
  readonly handlesAfter: number;
  readonly startMiB: number;
  readonly endMiB: number;
  readonly growthMiB: number;
  /** Cycles by the way they ended. */
  readonly ends: Readonly<Record<CycleEnd, number>>;
  /** Lanes that were closed or cancelled while loads were under way. */
  readonly midTransfer: number;
}

/** How a cycle ends: all loads done, closed or cancelled amid loads, or a file that ends early. */
export type CycleEnd = "done" | "closed" | "cancelled" | "unreadable";
const ENDS: readonly CycleEnd[] = ["done", "cancelled", "unreadable", "closed"];

const SLOTS = 4;
/** Of an expert on the link: long enough that a lane is cut off amid its loads. Chosen. */
const EXPERT_MS = 1;

/** Opens a lane with four slots and room for eight experts in host memory, and asks for four. */
export function openBusyLane(
  model: CycledModel,
  cancelFlag: Int32Array,
  end: CycleEnd,
): TransferLane {
  const { cutLayout, layout, lostKey, partBytes } = model;
  const slots = new TestSlots(SLOTS, partBytes);
  const expertBytes = partBytes[0] + partBytes[1] + partBytes[2];
  const isCut = end === "unreadable";
  const lane = new TransferLane({
    layout: isCut ? cutLayout : layout,
    slots: slots.regions,
    fast: { bandwidthMBps: expertBytes / EXPERT_MS / 1e3, latencyUs: 0, queueDepth: 1 },
    host: { budgetBytes: 8 * expertBytes, mode: "lru", preload: !isCut },
    cancelFlag,
  });
  for (let slot = 0; slot < SLOTS - 1; slot++) lane.submit(slot, slot, "prefetch");
  lane.submit(isCut ? lostKey : SLOTS - 1, SLOTS - 1, "prefetch");
  lane.waitFor(0);
  return lane;
}

/** One lane from opening to closing; true when it was cut off amid loads. */
function cycle(model: CycledModel, end: CycleEnd): boolean {
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const lane = openBusyLane(model, cancelFlag, end);
  let isCutOff = false;
  if (end === "closed") isCutOff = lane.pending > 0;
  else if (end === "cancelled") {
    Atomics.store(cancelFlag, 0, 1);
    Atomics.notify(cancelFlag, 0);
    // On a machine that is busy its loads may have ended before.
    isCutOff = failureOf(lane) === "CANCELLED";
  } else {
    const code = failureOf(lane);
    const expected = end === "done" ? undefined : "EXPERT_UNREADABLE";
    if (code !== expected) throw new Error(`a lane ended with ${code}, expected ${expected}`);
  }
  lane.close();
  return isCutOff;
}

/** Waits for all loads; the code of the failure that ends this, if one does. */
function failureOf(lane: TransferLane): string | undefined {
  try {
    for (let slot = 0; slot < SLOTS; slot++) lane.waitFor(slot);
    lane.drain(() => {});
  } catch (error) {
    if (isDomainError(error)) return error.failure.code;
    throw error;
  }
  return undefined;
}

/** Files, sockets and other handles that this process holds. */
function handles(): number {
  return readdirSync("/proc/self/fd").length;
}

/**
 * Opens, uses and ends lanes one after another, in turn in all ways, and tells what they left
 * behind. Needs `--expose-gc`.
 *
 * @param warmUp  cycles before anything is measured, for threads and compiled code that stay
 */
export function measureCycles(model: CycledModel, cycles: number, warmUp: number): CyclesResult {
  const ends = { done: 0, closed: 0, cancelled: 0, unreadable: 0 };
  let midTransfer = 0;
  for (let i = 0; i < warmUp; i++) cycle(model, ENDS[i % ENDS.length] ?? "done");
  const handlesBefore = handles();
  const growth = measureGrowth(() => {
    for (let i = 0; i < cycles; i++) {
      const end = ENDS[i % ENDS.length] ?? "done";
      if (cycle(model, end)) midTransfer++;
      ends[end]++;
    }
  });
  return { handlesBefore, handlesAfter: handles(), ...growth, ends, midTransfer };
}
