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
 * @returns for each pass: how long it took, how long computing and the link were busy, experts that
 *          were needed but not there when it began, and loads in all
 * @throws Error when an expert computes before it is there, or a row not exactly once
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
  /** By row of the current layer: the expert that must compute it, or -1 once one has. */
  const owed = new Int32Array(units * tokensPerUnit * USED).fill(-1);
  const waves = new WaveLoop(stream, EXPERTS, (layer, ready) => {
    for (const { expert, rows } of ready) {
      const slot = stream.slotOf(layer * EXPERTS + expert);
      if (slot === -1 || !lane.isReady(slot)) throw new Error("computed before it was there");
      for (const row of rows) {
        if (owed[row] !== expert)
          throw new Error(`row ${row} is not expert ${expert}'s to compute`);
        owed[row] = -1;
      }
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
  const results: {
    elapsedMs: number;
    computeMs: number;
    linkMs: number;
    missed: number;
    loads: number;
  }[] = [];
  let earlier = { loads: 0, linkMs: 0 };
  for (let index = 0; index < one.passes; index++) {
    const there = new Set(stream.settle().map(({ key }) => key));
    const needed = new Set<number>();
    const startMs = lane.nowMs();
    computeMs = 0;
    pass.run(
      Array.from(
        { length: units },
        (_, unit): GroupUnit => ({
          batch: Math.floor(unit / (one.unitsPerBatch ?? 1)),
          firstToken: unit * tokensPerUnit,
          tokensAt: () => tokensPerUnit,
          compute: (segment) => {
            if (unit === 0 && owed.some((expert) => expert !== -1)) {
              throw new Error("a row was not computed");
            }
            if (segment === LAYERS) return undefined;
            work(attentionMs);
            const chosen = new Int32Array(tokensPerUnit * USED);
            for (let token = 0; token < tokensPerUnit; token++) {
              chosen.set(draw(random), token * USED);
            }
            for (const expert of chosen) needed.add(segment * EXPERTS + expert);
            owed.set(chosen, unit * chosen.length);
            return chosen;
          },
        }),
      ),
    );
    const missed = [...needed].filter((key) => !there.has(key)).length;
    const { demanded, prefetched, withdrawn } = stream.counts;
    const sums = { loads: demanded + prefetched - withdrawn, linkMs: lane.linkBusyMs };
    results.push({
      elapsedMs: lane.nowMs() - startMs,
      computeMs,
      missed,
      loads: sums.loads - earlier.loads,
      linkMs: sums.linkMs - earlier.linkMs,
    });
    earlier = sums;
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
