import { ops, type Tensor } from "@fmlab/ggml";
import type { ExpertSource, SlotClass } from "./interfaces.ts";
import type { Attended, Routed } from "./layer-graph.ts";
import type { Machine } from "./machine.ts";
import type { Stage, StageBuilder } from "./stage-builder.ts";

/**
 * The experts of one layer for one token: all of them as one graph, or any of them in any order,
 * each expert's output in its own row, and a last graph that sums the rows in routing order. Both
 * ways give the same bits, because the products do not depend on their neighbours.
 */
export class ExpertGraphs {
  readonly #machine: Machine;
  readonly #builder: StageBuilder;
  readonly #layer: number;
  readonly #attended: Attended;
  readonly #routed: Routed;
  /** By class of slots: all experts in one graph. */
  readonly #all = new Map<number, Stage>();
  /** By class of slots and number of experts: that many rows. */
  readonly #some = new Map<number, Stage>();
  #ends: { shared: Stage | undefined; combine: Stage } | undefined;
  /** By chosen expert: 1 when its row is computed. */
  readonly #isComputed: Uint8Array;

  constructor(
    machine: Machine,
    builder: StageBuilder,
    layer: number,
    attended: Attended,
    routed: Routed,
  ) {
    this.#machine = machine;
    this.#builder = builder;
    this.#layer = layer;
    this.#attended = attended;
    this.#routed = routed;
    this.#isComputed = new Uint8Array(machine.model.expertUsedCount);
    this.#allOf(machine.pool.classOfLayer(layer));
  }

  /**
   * Computes the whole layer as one graph.
   * @param slots  of the chosen experts, all ready
   * @returns false when they are of several classes, so that one graph cannot
   */
  computeAll(slots: Int32Array): boolean {
    const { context, pool } = this.#machine;
    const kind = pool.classOfSlot(slots[0] ?? 0);
    for (let i = 0; i < slots.length; i++) {
      const local = (slots[i] ?? 0) - kind.firstSlot;
      if (local < 0 || local >= kind.slotCount) return false;
      context.slotsView[i] = local;
    }
    this.#allOf(kind).plan.compute();
    return true;
  }

  /** Computes what needs no routed expert: the shared one. */
  begin(): void {
    this.#isComputed.fill(0);
    this.#built().shared?.plan.compute();
  }

  /** True when the row of the `index`-th chosen expert is there. */
  isComputed(index: number): boolean {
    return this.#isComputed[index] === 1;
  }

  /** Computes the rows of all experts that are ready; returns how many those were. */
  computeReady(slots: Int32Array, source: ExpertSource): number {
    let total = 0;
    for (const kind of this.#machine.pool.classes) {
      const count = this.#gather(slots, source, kind);
      if (count > 0) this.#someOf(kind, count).plan.compute();
      total += count;
    }
    return total;
  }

  /** Sums the rows. */
  finish(): void {
    this.#built().combine.plan.compute();
  }

  /** Enters the ready experts of a class that are not computed yet as inputs. */
  #gather(slots: Int32Array, source: ExpertSource, kind: SlotClass): number {
    const { slotsView, expertRowsView } = this.#machine.context;
    let count = 0;
    for (let i = 0; i < slots.length; i++) {
      if (this.#isComputed[i] === 1) continue;
      const local = (slots[i] ?? 0) - kind.firstSlot;
      if (local < 0 || local >= kind.slotCount || !source.isReady(i)) continue;
      slotsView[count] = local;
      expertRowsView[count] = BigInt(i);
      this.#isComputed[i] = 1;
      count++;
    }
    return count;
  }

  #allOf(kind: SlotClass): Stage {
    let stage = this.#all.get(kind.index);
    if (!stage) {
      const { context, pool } = this.#machine;
      stage = this.#builder.stage(1, (graph, arena) => {
        const { attended, routed } = this.#aliases(arena);
        const tensors = pool.tensorsOf(kind.index);
        const output = graph.experts(this.#layer, attended, routed, tensors, context.slots);
        arena.placeInto(output, context.hidden);
        arena.graph.expand(output);
      });
      this.#all.set(kind.index, stage);
    }
    return stage;
  }

  #someOf(kind: SlotClass, count: number): Stage {
    const key = kind.index * (this.#isComputed.length + 1) + count;
    let stage = this.#some.get(key);
    if (!stage) {
      const { context, model, pool } = this.#machine;
      stage = this.#builder.stage(1, (graph, arena) => {
        const width = model.embeddingLength;
        const normed = arena.alias(this.#attended.normed);
        const x = ops.reshape(arena, normed, [width, 1, 1]);
        const ids = ops.view(arena, context.slots, { shape: [count, 1] });
        const rows = graph.expertRows(x, ids, pool.tensorsOf(kind.index)); // [width, count, 1]
        const places = ops.view(arena, context.expertRows, { shape: [count] });
        arena.graph.expand(ops.setRows(arena, context.expertOutputs, rows, places));
      });
      this.#some.set(key, stage);
    }
    return stage;
  }

  #built(): { shared: Stage | undefined; combine: Stage } {
    if (this.#ends) return this.#ends;
    const { context } = this.#machine;
    let sharedOutput: Tensor | undefined;
    const shared =
      this.#machine.model.sharedFeedForwardLength > 0
        ? this.#builder.stage(1, (graph, arena) => {
            const { attended, routed } = this.#aliases(arena);
            sharedOutput = graph.shared(this.#layer, attended.normed, routed.sharedGate);
            if (sharedOutput) arena.graph.expand(sharedOutput);
          })
        : undefined;
    const combine = this.#builder.stage(1, (graph, arena) => {
      const { attended, routed } = this.#aliases(arena);
      const output = graph.combine(
        this.#layer,
        attended,
        arena.alias(context.expertOutputs),
        routed.weights,
        sharedOutput && arena.alias(sharedOutput),
      );
      arena.placeInto(output, context.hidden);
      arena.graph.expand(output);
    });
    this.#ends = { shared, combine };
    return this.#ends;
  }

  /** What the attention stage has computed, as leaves of another graph. */
  #aliases(arena: { alias(tensor: Tensor): Tensor }) {
    const { residual, normed } = this.#attended;
    const { weights, sharedGate } = this.#routed;
    return {
      attended: { residual: arena.alias(residual), normed: arena.alias(normed) },
      routed: {
        weights: arena.alias(weights),
        sharedGate: sharedGate && arena.alias(sharedGate),
      },
    };
  }
}
