import { createPrng } from "@fmlab/sim";
import { SlotStream } from "../../src/prefill/slot-stream.ts";
import { StreamWindow } from "../../src/prefill/stream-window.ts";
import { WaveLoop } from "../../src/prefill/wave-loop.ts";
import { VirtualLane } from "../../src/replay/virtual-lane.ts";
import { CorrelationTable } from "../../src/throughput/correlation-table.ts";
import { GroupPass, type GroupUnit } from "../../src/throughput/group-pass.ts";
import { SCHEDULES, type ScheduleName } from "../../src/throughput/schedules.ts";

/** A machine in virtual time. */
export interface VirtualCase {
  schedule: ScheduleName;
  slotCount: number;
  /** Time of one transfer, of a unit's attention, and of an expert: `expertMs + rows * rowMs`. */
  transferMs: number;
  attentionMs: number;
  expertMs: number;
  rowMs: number;
  units: number;
  tokensPerUnit: number;
  /** Units that make a batch. */
  unitsPerBatch?: number;
  passes: number;
  isRepeated: boolean;
  seed?: number;
}

const LAYERS = 8;
const EXPERTS = 32;
const USED = 4;
const SHAPE = {
  layerCount: LAYERS,
  expertCount: EXPERTS,
  expertUsedCount: USED,
  moeLayers: Array.from({ length: LAYERS }, (_, layer) => layer),
};

/**
 * Passes over a model of 8 layers of 32 experts, driven by the real scheduling in virtual time.
 * @returns for each pass: how long it took, what computed, and experts needed that were not there
 */
export function runVirtual(one: VirtualCase) {
  const { attentionMs, expertMs, rowMs, schedule, slotCount, tokensPerUnit, units } = one;
  const bytes = 1_000_000;
  const lane = new VirtualLane({
    slotCount,
    bytesOf: () => bytes,
    link: { bandwidthMBps: 1e3 / one.transferMs, latencyUs: 0, queueDepth: 1 },
  });
  const parts = { firstSlot: 0, slotCount, index: 0, expertBytes: bytes, parts: [] };
  const hasWindow = SCHEDULES[schedule].loads === "chosen";
  const stream = new SlotStream({
    shape: SHAPE,
    lane,
    classes: [parts],
    classOfLayer: () => 0,
    window: hasWindow ? new StreamWindow() : undefined,
  });
  let computeMs = 0;
  const work = (ms: number) => {
    computeMs += ms;
    lane.advance(ms);
  };
  const waves = new WaveLoop(stream, EXPERTS, (layer, ready) => {
    for (const { expert, rows } of ready) {
      const slot = stream.slotOf(layer * EXPERTS + expert);
      if (slot === -1 || !lane.isReady(slot)) throw new Error("computed before it was there");
      if (rows.length > 0) work(expertMs + rows.length * rowMs);
    }
  });
  const pass = new GroupPass({
    shape: SHAPE,
    schedule: SCHEDULES[schedule],
    stream,
    waves,
    table: new CorrelationTable(SHAPE),
    hotCount: USED,
    slotsOf: () => slotCount,
    nowMs: () => lane.nowMs(),
    isRepeated: one.isRepeated,
  });
  const random = createPrng(one.seed ?? 1, "routing");
  const results = [];
  for (let index = 0; index < one.passes; index++) {
    const there = new Set(stream.settle().map(({ key }) => key));
    const needed = new Set<number>();
    const startMs = lane.nowMs();
    computeMs = 0;
    pass.run(
      Array.from({ length: units }, (_, unit): GroupUnit => ({
        batch: Math.floor(unit / (one.unitsPerBatch ?? 1)),
        firstToken: unit * tokensPerUnit,
        tokensAt: () => tokensPerUnit,
        compute: (segment) => {
          if (segment === LAYERS) return undefined;
          work(attentionMs);
          const chosen = new Int32Array(tokensPerUnit * USED);
          for (let token = 0; token < tokensPerUnit; token++) {
            chosen.set(draw(random), token * USED);
          }
          for (const expert of chosen) needed.add(segment * EXPERTS + expert);
          return chosen;
        },
      })),
    );
    const missed = [...needed].filter((key) => !there.has(key)).length;
    const loads = stream.counts.demanded + stream.counts.prefetched - stream.counts.withdrawn;
    const linkMs = lane.linkBusyMs;
    results.push({ elapsedMs: lane.nowMs() - startMs, computeMs, missed, loads, linkMs });
  }
  return results;
}

/** Four different experts; low numbers twice as likely as high ones. */
function draw(random: ReturnType<typeof createPrng>): number[] {
  const chosen = new Set<number>();
  while (chosen.size < USED) {
    const expert = random.nextInt(48);
    chosen.add(expert < EXPERTS ? expert : expert - EXPERTS);
  }
  return [...chosen];
}
