import type { Arena, Tensor } from "@fmlab/ggml";

/** The graph of a segment, ready to be computed. */
export interface BuiltSegment {
  readonly arena: Arena;
  /** Of the last segment of a batch that wants them. */
  readonly logits: Tensor | undefined;
  /** What the router chose; undefined in the segment in which a batch ends. */
  readonly sorted: Tensor | undefined;
}

/**
 * The graphs of a batch's segments, kept for batches of the same length, position and memory:
 * building them costs some per cent of the time of a short prompt.
 */
export class KeptSegments {
  readonly #built = new Map<number, BuiltSegment>();

  /** The graph of a segment, if there is one. */
  get(index: number): BuiltSegment | undefined {
    return this.#built.get(index);
  }

  /** Keeps a graph in place of the one before, which is freed. */
  set(index: number, built: BuiltSegment): void {
    this.#built.get(index)?.arena.close();
    this.#built.set(index, built);
  }

  /** Frees the graphs. */
  close(): void {
    for (const { arena } of this.#built.values()) arena.close();
    this.#built.clear();
  }
}
