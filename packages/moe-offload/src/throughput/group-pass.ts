import type { RoutingShape } from "../offload/routing.ts";
import type { BatchMixture } from "../precision/batch-mixture.ts";
import { expectedKeys } from "../prefill/expected-experts.ts";
import { requireExperts } from "../prefill/require-experts.ts";
import { groupRows, type RowGroups, rowsOf } from "../prefill/row-groups.ts";
import type { SlotStream } from "../prefill/slot-stream.ts";
import type { ExpertWork, WaveRunner } from "../prefill/wave-loop.ts";
import type { CorrelationTable } from "./correlation-table.ts";
import type { Schedule } from "./schedules.ts";

/** Tokens that go through a segment together: a sequence's prompt, or a step of a batch. */
export interface GroupUnit {
  /** Units of a batch follow each other. */
  readonly batch: number;
  /**
   * Where its tokens begin in the activation memory.
   */
  readonly firstToken: number;
  /** Tokens that reach the experts of a layer. */
  tokensAt(layer: number): number;
  /**
   * Computes a segment (see `segments.ts`).
   * @returns the experts chosen, `[tokens * used]`; undefined after the last segment
   */
  compute(index: number): Int32Array | undefined;
}

/** What passes run on. */
export interface GroupPassParts {
  readonly shape: RoutingShape;
  readonly schedule: Schedule;
  readonly stream: SlotStream;
  readonly waves: WaveRunner;
  /** Predicts hot experts; schedules that look for them need it. */
  readonly table?: CorrelationTable;
  /** Experts that are prefetched as hot ones (K). */
  readonly hotCount: number;
  /** Slots of the class of a layer's experts. */
  readonly slotsOf: (layer: number) => number;
  readonly nowMs: () => number;
  /** Uses of each expert on earlier text, `[layerCount * expertCount]`; without it all alike. */
  readonly popularity?: Float64Array | undefined;
  /**
   * Decides which experts are computed as their twins; for the aggressive schedule over one unit,
   * whose routing is then that of the whole group.
   */
  readonly mixture?: BatchMixture | undefined;
}

/** Told when a unit has computed a segment; `layer` is -1 for what follows the last experts. */
export type OnUnit = (
  startMs: number,
  endMs: number,
  unit: { batch: number; layer: number },
) => void;

/** The rows that one batch asks for in the current layer. */
interface BatchRows {
  readonly batch: number;
  readonly groups: RowGroups[];
}

/**
 * Takes a group of batches through all layers once, in the order that a schedule gives: attention
 * and router of every unit, then experts over the tokens of the whole group. What is computed does
 * not depend on the schedule, only when.
 *
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, algorithm 1
 */
export class GroupPass {
  onUnit: OnUnit | undefined;
  readonly #parts: GroupPassParts;
  /** Uses of each expert so far, `[layerCount * expertCount]`. */
  readonly #uses: Float64Array;
  /** By rank of layer: its experts that this pass will probably use. */
  #expected: number[][] = [];
  /** What the group's tokens chose in the layer before, `[tokens * used]`. */
  #before: Int32Array = new Int32Array(0);

  constructor(parts: GroupPassParts) {
    this.#parts = parts;
    const { expertCount, layerCount } = parts.shape;
    this.#uses = Float64Array.from(parts.popularity ?? new Float64Array(layerCount * expertCount));
  }

  /** Uses of each expert so far, `[layerCount * expertCount]`. */
  get uses(): Float64Array {
    return this.#uses;
  }

  /** @throws EngineError `BAD_ROUTING`, whatever the lane throws */
  run(units: readonly GroupUnit[]): void {
    try {
      this.#parts.stream.beginPass();
      this.#runLayers(units);
    } catch (error) {
      // The next pass begins anew, with what lies in the slots.
      this.#parts.stream.abandon();
      throw error;
    }
  }

  #runLayers(units: readonly GroupUnit[]): void {
    const { moeLayers } = this.#parts.shape;
    for (let index = 0; index <= moeLayers.length; index++) {
      const layer = moeLayers[index] ?? -1;
      if (layer !== -1) this.#runLayer(units, index, layer);
      else this.#computeUnits(units, index, layer, () => {});
      // A batch that gives no logits ends before the last experts.
      if (layer !== -1 && units.every((unit) => unit.tokensAt(layer) === 0)) return;
    }
  }

  #runLayer(units: readonly GroupUnit[], index: number, layer: number): void {
    const { schedule, stream, table } = this.#parts;
    stream.enterLayer(layer);
    this.#expectBefore(units, layer);
    const chosenByUnit: Int32Array[] = [];
    const batches: BatchRows[] = [];
    this.#computeUnits(units, index, layer, (unit, chosen) => {
      chosenByUnit.push(chosen.slice());
      const { expertCount, expertUsedCount: used } = this.#parts.shape;
      const groups = groupRows(chosen, expertCount, unit.firstToken * used);
      const last = batches.at(-1);
      if (last?.batch === unit.batch) last.groups.push(groups);
      else batches.push({ batch: unit.batch, groups: [groups] });
      this.#parts.mixture?.choose(layer, chosen, (key) => stream.keeps(key));
      if (schedule.loads === "chosen") this.#needAll(layer, groups);
    });
    const chosen = concatenate(chosenByUnit);
    const isSameTokens = this.#before.length === chosen.length;
    if (isSameTokens || index === 0) table?.observe(layer, chosen, this.#before);
    this.#before = chosen;
    stream.endRouting();
    this.#expectAfter(layer, index);
    if (schedule.order === "by-arrival") this.#byArrival(layer, batches);
    else if (schedule.ahead === "nothing") this.#inChunks(layer, batches);
    else this.#byBatch(layer, batches);
  }

  #computeUnits(
    units: readonly GroupUnit[],
    index: number,
    layer: number,
    take: (unit: GroupUnit, chosen: Int32Array) => void,
  ): void {
    const { nowMs, shape, stream } = this.#parts;
    for (const unit of units) {
      const startMs = nowMs();
      const chosen = unit.compute(index);
      this.onUnit?.(startMs, nowMs(), { batch: unit.batch, layer });
      if (!chosen) continue;
      requireExperts(layer, chosen, shape.expertCount);
      for (const expert of chosen) {
        const key = layer * shape.expertCount + expert;
        this.#uses[key] = (this.#uses[key] ?? 0) + 1;
      }
      take(unit, chosen);
      stream.pump();
    }
  }

  /** What loads while the attention of `layer` computes. */
  #expectBefore(units: readonly GroupUnit[], layer: number): void {
    const { schedule, shape, stream } = this.#parts;
    if (schedule.ahead === "next-layer") {
      // The layer itself first, where memory was too small for all of it, or at the very start.
      stream.expect([...this.#keysOf(layer), ...this.#keysOf(this.#next(layer))]);
    }
    if (schedule.ahead !== "expected") return;
    const first = shape.moeLayers.indexOf(layer);
    // What a layer uses changes what is expected of it the next time only.
    if (first === 0) this.#expected = shape.moeLayers.map((next) => this.#expectedOf(units, next));
    // Whatever comes after the last layer, another prompt or decoding, begins with the first.
    stream.expect([...this.#expected.slice(first), ...this.#expected.slice(0, first)].flat());
  }

  #expectedOf(units: readonly GroupUnit[], layer: number): number[] {
    const tokens = units.reduce((sum, unit) => sum + unit.tokensAt(layer), 0);
    const keys = expectedKeys(this.#parts.shape, this.#uses, layer, tokens);
    return this.#parts.mixture?.expected(layer, keys, this.#uses, tokens) ?? keys;
  }

  /** What is expected of the next layer once all routers of `layer` have chosen. */
  #expectAfter(layer: number, index: number): void {
    const { hotCount, schedule, shape, stream, table } = this.#parts;
    const next = this.#next(layer);
    if (schedule.ahead !== "hot" || !table) return;
    // The tokens that follow the last layer are others; the first layer goes by its own counts.
    const before = index === shape.moeLayers.length - 1 ? new Int32Array(0) : this.#before;
    const hot = table.predict(next, before, hotCount);
    stream.expect(hot.map((expert) => next * shape.expertCount + expert));
  }

  /** Hot experts first, then as they arrive, each over the tokens of all batches. */
  #byArrival(layer: number, batches: readonly BatchRows[]): void {
    const groups = batches.flatMap((one) => one.groups);
    const work: ExpertWork[] = [];
    for (let expert = 0; expert < this.#parts.shape.expertCount; expert++) {
      const rows = concatenate(groups.map((one) => rowsOf(one, expert)));
      if (rows.length > 0) work.push({ expert, rows });
    }
    work.sort((a, b) => b.rows.length - a.rows.length || a.expert - b.expert);
    this.#parts.waves.run(layer, work, "arrival");
  }

  /** Batch after batch, the experts of each by number; of whole layers also those without rows. */
  #byBatch(layer: number, batches: readonly BatchRows[]): void {
    const { expertCount } = this.#parts.shape;
    const isWhole = this.#parts.schedule.loads === "whole-layer";
    batches.forEach(({ groups }, index) => {
      const later = batches.slice(index + 1);
      const work: ExpertWork[] = [];
      for (let expert = 0; expert < expertCount; expert++) {
        const rows = concatenate(groups.map((one) => rowsOf(one, expert)));
        if (rows.length === 0 && !(isWhole && index === 0)) continue;
        const isNeededAgain = later.some((one) =>
          one.groups.some((group) => rowsOf(group, expert).length > 0),
        );
        const key = layer * expertCount + expert;
        this.#parts.stream.need(key, rows.length);
        if (isNeededAgain) this.#parts.stream.needLater(key);
        work.push({ expert, rows, isNeededAgain });
      }
      this.#parts.waves.run(layer, work, "given");
    });
  }

  /** As many experts as memory holds are loaded, then computed, while nothing loads. */
  #inChunks(layer: number, batches: readonly BatchRows[]): void {
    const { shape, slotsOf, stream, waves } = this.#parts;
    const groups = batches.flatMap((one) => one.groups);
    const size = slotsOf(layer);
    for (let first = 0; first < shape.expertCount; first += size) {
      const work: ExpertWork[] = [];
      for (let expert = first; expert < Math.min(first + size, shape.expertCount); expert++) {
        const rows = concatenate(groups.map((one) => rowsOf(one, expert)));
        stream.need(layer * shape.expertCount + expert, rows.length);
        work.push({ expert, rows });
      }
      stream.pump();
      for (const { expert } of work) stream.waitForExpert(layer * shape.expertCount + expert);
      waves.run(layer, work, "given");
    }
  }

  /** The experts that a unit has chosen are needed; those with more of its rows load first. */
  #needAll(layer: number, groups: RowGroups): void {
    const { mixture, shape, stream } = this.#parts;
    const { expertCount } = shape;
    const chosen: { expert: number; count: number }[] = [];
    for (let expert = 0; expert < expertCount; expert++) {
      const count = rowsOf(groups, expert).length;
      if (count > 0) chosen.push({ expert, count });
    }
    chosen.sort((a, b) => b.count - a.count || a.expert - b.expert);
    for (const { expert, count } of chosen) {
      stream.need(mixture?.keyOf(layer, expert) ?? layer * expertCount + expert, count);
    }
  }

  #keysOf(layer: number): number[] {
    const { expertCount } = this.#parts.shape;
    return Array.from({ length: expertCount }, (_, expert) => layer * expertCount + expert);
  }

  #next(layer: number): number {
    const { moeLayers } = this.#parts.shape;
    return moeLayers[(moeLayers.indexOf(layer) + 1) % moeLayers.length] ?? layer;
  }
}

function concatenate(parts: readonly Int32Array[]): Int32Array {
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  const all = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
