import { assert } from "@fmlab/experiment";
import type { ExpertKey, RoutingShape } from "../offload/routing.ts";
import type { GroupUnit, OnUnit } from "../throughput/group-pass.ts";
import type { ExpertStream } from "./expert-stream.ts";
import { groupRows, rowsOf } from "./row-groups.ts";
import type { ExpertWork, WaveRunner } from "./wave-loop.ts";

/** What a published system does with a prompt beside its cache. */
export interface LayerRules {
  /** Told of each router as it speaks. @returns experts that are loaded ahead then, in order */
  expectAfter(layer: number, chosen: Int32Array): readonly ExpertKey[];
  /** The order in which the experts of a layer are asked for. */
  readonly order: "by-number" | "by-uses";
}

/** What a pass is made of. */
export interface LayerPassParts {
  readonly shape: RoutingShape;
  readonly stream: ExpertStream;
  readonly waves: WaveRunner;
  readonly rules: LayerRules;
  readonly nowMs: () => number;
}

/**
 * Takes one batch through all layers: attention and router, loads for what comes next, then the
 * experts as they arrive.
 *
 * @see Fang et al. 2025, arXiv:2502.12224 (Fate): loads for the next layer begin before the experts
 *      of this one
 */
export class LayerPass {
  onUnit: OnUnit | undefined;
  readonly #parts: LayerPassParts;

  constructor(parts: LayerPassParts) {
    this.#parts = parts;
  }

  /** @throws whatever the lane throws */
  run(units: readonly GroupUnit[]): void {
    const { shape, stream } = this.#parts;
    const [unit] = units;
    assert(unit !== undefined && units.length === 1, "one batch passes at a time");
    try {
      stream.beginPass();
      for (let index = 0; index <= shape.moeLayers.length; index++) {
        const layer = shape.moeLayers[index] ?? -1;
        if (layer !== -1) stream.enterLayer(layer);
        const startMs = this.#parts.nowMs();
        const chosen = unit.compute(index);
        this.onUnit?.(startMs, this.#parts.nowMs(), { batch: unit.batch, layer });
        if (layer === -1 || unit.tokensAt(layer) === 0) return;
        if (chosen) this.#runExperts(layer, chosen);
      }
    } catch (error) {
      stream.abandon();
      throw error;
    }
  }

  #runExperts(layer: number, chosen: Int32Array): void {
    const { rules, shape, stream, waves } = this.#parts;
    const { expertCount } = shape;
    const groups = groupRows(chosen, expertCount);
    const work: ExpertWork[] = [];
    for (let expert = 0; expert < expertCount; expert++) {
      const rows = rowsOf(groups, expert);
      if (rows.length > 0) work.push({ expert, rows });
    }
    if (rules.order === "by-uses") {
      work.sort((a, b) => b.rows.length - a.rows.length || a.expert - b.expert);
    }
    const expected = rules.expectAfter(layer, chosen);
    for (const { expert, rows } of work) stream.need(layer * expertCount + expert, rows.length);
    stream.endRouting();
    stream.pump();
    stream.expect(expected);
    waves.run(layer, work, "arrival");
  }
}
