import { createPrng } from "@fmlab/sim";
import { SlotStream } from "../../src/prefill/slot-stream.ts";
import { StreamWindow } from "../../src/prefill/stream-window.ts";
import { type ExpertWork, WaveLoop } from "../../src/prefill/wave-loop.ts";
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
  /** Time between two passes, in which nothing is asked for. */
  idleMs?: number;
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

/** One pass: how long it took, how long computing and the link were busy. */
export interface VirtualPass {
  elapsedMs: number;
  computeMs: number;
  linkMs: number;
  /** Experts that were needed but not there when the pass began, and loads. */
  missed: number;
  loads: number;
}

/**
 * Passes over a model of 8 layers of 32 experts, driven by the real scheduling in virtual time.
 *
 * @throws Error when an expert computes before it is there, or a row not exactly once
 */
export function runVirtual(one: VirtualCase): VirtualPass[] {
  const machine = new VirtualMachine(one);
  return Array.from({ length: one.passes }, () => machine.run());
}

const BYTES = 1_000_000;

/** Slots, lane and passes of a case, and what is known of them. */
class VirtualMachine {
  readonly #case: VirtualCase;
  readonly #lane: VirtualLane;
  readonly #stream: SlotStream;
  readonly #pass: GroupPass;
  readonly #random: ReturnType<typeof createPrng>;
  /** By row of the current layer: the expert that must compute it, or -1 once one has. */
  readonly #owed: Int32Array;
  #computeMs = 0;
  #needed = new Set<number>();
  #earlier = { loads: 0, linkMs: 0 };

  constructor(one: VirtualCase) {
    const { schedule, slotCount, tokensPerUnit, transferMs, units } = one;
    this.#case = one;
    this.#random = createPrng(one.seed ?? 1, "routing");
    this.#owed = new Int32Array(units * tokensPerUnit * USED).fill(-1);
    const lane = new VirtualLane({
      slotCount,
      bytesOf: () => BYTES,
      link: { bandwidthMBps: 1e3 / transferMs, latencyUs: 0, queueDepth: 1 },
    });
    this.#lane = lane;
    this.#stream = new SlotStream({
      shape: SHAPE,
      lane,
      classes: [{ firstSlot: 0, slotCount, index: 0, expertBytes: BYTES, parts: [] }],
      classOfLayer: () => 0,
      window: SCHEDULES[schedule].loads === "chosen" ? new StreamWindow(EXPERTS) : undefined,
    });
    this.#pass = new GroupPass({
      shape: SHAPE,
      schedule: SCHEDULES[schedule],
      stream: this.#stream,
      waves: new WaveLoop(this.#stream, EXPERTS, (layer, ready) => {
        this.#compute(layer, ready);
        return undefined;
      }),
      table: new CorrelationTable(SHAPE),
      hotCount: USED,
      slotsOf: () => slotCount,
      nowMs: () => lane.nowMs(),
    });
  }

  run(): VirtualPass {
    this.#lane.advance(this.#case.idleMs ?? 0);
    const there = new Set(this.#stream.settle().map(({ key }) => key));
    const startMs = this.#lane.nowMs();
    this.#needed = new Set();
    this.#computeMs = 0;
    this.#pass.run(Array.from({ length: this.#case.units }, (_, unit) => this.#unit(unit)));
    const { demanded, prefetched, withdrawn } = this.#stream.counts;
    const sums = { loads: demanded + prefetched - withdrawn, linkMs: this.#lane.linkBusyMs };
    const { loads, linkMs } = this.#earlier;
    this.#earlier = sums;
    return {
      elapsedMs: this.#lane.nowMs() - startMs,
      computeMs: this.#computeMs,
      linkMs: sums.linkMs - linkMs,
      missed: [...this.#needed].filter((key) => !there.has(key)).length,
      loads: sums.loads - loads,
    };
  }

  #unit(unit: number): GroupUnit {
    const { attentionMs, tokensPerUnit, unitsPerBatch = 1 } = this.#case;
    return {
      batch: Math.floor(unit / unitsPerBatch),
      firstToken: unit * tokensPerUnit,
      tokensAt: () => tokensPerUnit,
      compute: (segment) => {
        if (unit === 0 && this.#owed.some((expert) => expert !== -1)) {
          throw new Error("a row was not computed");
        }
        if (segment === LAYERS) return undefined;
        this.#work(attentionMs);
        const chosen = new Int32Array(tokensPerUnit * USED);
        for (let token = 0; token < tokensPerUnit; token++) {
          chosen.set(draw(this.#random), token * USED);
        }
        for (const expert of chosen) this.#needed.add(segment * EXPERTS + expert);
        this.#owed.set(chosen, unit * chosen.length);
        return chosen;
      },
    };
  }

  #compute(layer: number, ready: readonly ExpertWork[]): void {
    for (const { expert, rows } of ready) {
      const slot = this.#stream.slotOf(layer * EXPERTS + expert);
      if (slot === -1 || !this.#lane.isReady(slot)) throw new Error("computed before it was there");
      for (const row of rows) {
        if (this.#owed[row] !== expert) throw new Error(`row ${row} is not expert ${expert}'s`);
        this.#owed[row] = -1;
      }
      if (rows.length > 0) this.#work(this.#case.expertMs + rows.length * this.#case.rowMs);
    }
  }

  #work(ms: number): void {
    this.#computeMs += ms;
    this.#lane.advance(ms);
  }
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
