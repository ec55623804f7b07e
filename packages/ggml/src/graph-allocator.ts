import type { Device } from "./device.ts";
import { GgmlError } from "./errors.ts";
import type { Graph } from "./graph.ts";
import type { Pointer } from "./native.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Lends memory to the nodes of one graph at a time, and lets nodes that are never needed together
 * share it. Right for large batches; graphs that live long take their own memory with
 * `Arena.allocate`. Only tensors without memory are placed. Results that are read after the
 * computation are marked with `Tensor.markOutput`, since the memory of all others is used again.
 */
export class GraphAllocator {
  #pointer: Pointer | undefined;
  #epoch = 0;
  /** Counts moves of the memory, after which earlier graphs point at memory that is gone. */
  #moves = 0;
  readonly #movesAt = new WeakMap<Graph, number>();

  constructor(readonly device: Device) {
    const pointer = device.library.native.ggml_gallocr_new(device.bufferType);
    if (!pointer) {
      throw new GgmlError("a graph allocator could not be made", {
        code: "ALLOCATION_FAILED",
        what: "graph allocator",
        sizeBytes: 0,
      });
    }
    this.#pointer = pointer;
  }

  /** Counts allocations: memory lent in an earlier epoch is no longer valid. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Bytes the allocator holds; they grow to what the largest graph needed. */
  get sizeBytes(): number {
    if (this.#pointer === undefined) return 0;
    return Number(this.device.library.native.ggml_gallocr_get_buffer_size(this.#pointer, 0));
  }

  /**
   * Places every tensor of `graph` that has no memory; the graph before it loses its memory.
   * @throws GgmlError `ALLOCATION_FAILED` | `CLOSED`
   */
  allocate(graph: Graph): void {
    if (this.#pointer === undefined) {
      throw new GgmlError("this graph allocator is closed", {
        code: "CLOSED",
        what: "graph allocator",
      });
    }
    const sizeBefore = this.sizeBytes;
    this.#epoch++;
    const { native } = this.device.library;
    if (!native.ggml_gallocr_alloc_graph(this.#pointer, graph.pointer)) {
      throw new GgmlError("the memory for a graph could not be allocated; use a smaller batch", {
        code: "ALLOCATION_FAILED",
        what: "graph",
        sizeBytes: 0,
      });
    }
    if (this.sizeBytes !== sizeBefore) this.#moves++;
    this.#movesAt.set(graph, this.#moves);
    this.#lendTo(graph, (tensor) => !tensor.isPlaced);
  }

  /**
   * Gives a graph that had the memory before it back, so that it can be computed again without
   * being built anew; the graph in between loses it.
   * @returns false when the memory has moved since, or was never lent: the graph is useless
   */
  resume(graph: Graph): boolean {
    if (this.#pointer === undefined || this.#movesAt.get(graph) !== this.#moves) return false;
    this.#epoch++;
    this.#lendTo(graph, (tensor) => tensor.bufferIfPlaced() === undefined);
    return true;
  }

  /** Frees the memory. Closing twice is allowed. */
  close(): void {
    if (this.#pointer === undefined) return;
    this.#epoch++;
    this.device.library.native.ggml_gallocr_free(this.#pointer);
    this.#pointer = undefined;
  }

  #lendTo(graph: Graph, takes: (tensor: Tensor) => boolean): void {
    graph.allocateWith(this, this.#epoch);
    for (const tensor of graph.tensors) {
      if (takes(tensor)) tensor.root.placeForGraph(this, this.#epoch);
    }
  }
}
