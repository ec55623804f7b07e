import type { Arena } from "./arena.ts";
import type { BackendBuffer } from "./backend-buffer.ts";
import { GgmlError, requireArgument } from "./errors.ts";
import type { GraphAllocator } from "./graph-allocator.ts";
import { type IndexGuard, makeIndexGuard } from "./index-guard.ts";
import type { Pointer } from "./native.ts";
import type { Tensor } from "./tensor.ts";

/** Operations that compute nothing: they may appear in any number of graphs. */
const VIEWING = new Set(["view", "reshape", "permute"]);

/**
 * The nodes that are computed together, in the order in which they were added. This class walks
 * every tensor as ggml does, to find what ggml would abort on or, worse, compute silently wrong.
 */
export class Graph {
  readonly #nodes = new Set<Tensor>();
  readonly #leaves = new Set<Tensor>();
  #guards: IndexGuard[] | undefined;
  #arenas: Set<Arena> = new Set();
  #buffers: Set<BackendBuffer> = new Set();
  #allocation: { allocator: GraphAllocator; epoch: number } | undefined;
  #isSealed = false;

  constructor(
    readonly arena: Arena,
    readonly nativePointer: Pointer,
    readonly nodeCountMax: number,
  ) {}

  /** The C object. @throws GgmlError `CLOSED` */
  get pointer(): Pointer {
    if (this.arena.isClosed) {
      throw new GgmlError("this graph is closed", { code: "CLOSED", what: "graph" });
    }
    return this.nativePointer;
  }

  /** Nodes, views included. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  /** Every node and leaf, for allocators. */
  get tensors(): Iterable<Tensor> {
    return [...this.#leaves, ...this.#nodes];
  }

  /**
   * Adds everything `tensor` is computed from, and the tensor itself.
   * @throws GgmlError `GRAPH_FULL`, `FOREIGN_NODE` when a node is computed by another graph
   */
  expand(tensor: Tensor): void {
    const pointer = this.pointer;
    requireArgument(
      !this.#isSealed && !this.#allocation,
      "Graph.expand",
      () => "the graph is planned or allocated already; add all nodes before",
    );
    const added = this.#collect(tensor);
    for (const source of added) {
      if (source.operation === "leaf") this.#leaves.add(source);
      else {
        this.#nodes.add(source);
        if (!VIEWING.has(source.operation)) source.computedBy = this;
      }
    }
    this.#guards = undefined;
    this.arena.library.native.ggml_build_forward_expand(pointer, tensor.pointer);
  }

  /** Forbids further nodes: a plan has copied the graph. */
  seal(): void {
    this.#isSealed = true;
  }

  /** Notes that an allocator lends memory to the graph's tensors until `epoch` has passed. */
  allocateWith(allocator: GraphAllocator, epoch: number): void {
    this.#allocation = { allocator, epoch };
  }

  /**
   * Checks that the graph can be computed now: memory is there, nothing is closed, every index is
   * in range. The first call after a change walks the graph; later ones cost under a microsecond.
   * @throws GgmlError `NOT_ALLOCATED` | `CLOSED` | `INDEX_OUT_OF_RANGE` | `INVALID_ARGUMENT`
   */
  verify(): void {
    const guards = this.#guards ?? this.#prepare();
    for (const arena of this.#arenas) {
      if (arena.isClosed) throw closed("an arena this graph uses is closed");
    }
    for (const buffer of this.#buffers) {
      if (buffer.isClosed) throw closed("a buffer this graph uses is closed");
    }
    if (this.#allocation && this.#allocation.allocator.epoch !== this.#allocation.epoch) {
      throw closed("the graph's memory has been given to another graph");
    }
    for (const guard of guards) guard.check();
  }

  // Depth first without recursion; returns the new tensors and changes nothing, so that a refused
  // expansion leaves the graph as it was.
  #collect(tensor: Tensor): Set<Tensor> {
    const added = new Set<Tensor>();
    let nodeCount = this.#nodes.size;
    let leafCount = this.#leaves.size;
    const stack = [tensor];
    for (let next = stack.pop(); next; next = stack.pop()) {
      if (added.has(next) || this.#nodes.has(next) || this.#leaves.has(next)) continue;
      if (next.arena.isClosed) throw closed(`${next} belongs to a closed arena`);
      if (next.computedBy && next.computedBy !== this) {
        throw new GgmlError(
          `${next} is computed by another graph and would be computed again here; ` +
            "read its result through arena.alias(tensor)",
          { code: "FOREIGN_NODE", operation: "Graph.expand", tensor: String(next) },
        );
      }
      added.add(next);
      if (next.operation === "leaf") leafCount++;
      else nodeCount++;
      // ggml stops when a count reaches the size, one before it is full.
      if (Math.max(nodeCount, leafCount) >= this.nodeCountMax) {
        throw new GgmlError(
          `the graph is full with ${this.nodeCountMax} nodes; make its arena with a larger ` +
            "graphNodeCountMax",
          { code: "GRAPH_FULL", nodeCountMax: this.nodeCountMax },
        );
      }
      stack.push(...next.sources);
    }
    return added;
  }

  #prepare(): IndexGuard[] {
    const guards: IndexGuard[] = [];
    this.#arenas = new Set([this.arena]);
    this.#buffers = new Set();
    for (const tensor of this.tensors) {
      tensor.requireLive();
      this.#arenas.add(tensor.arena).add(tensor.root.arena);
      const buffer = tensor.bufferIfPlaced();
      if (buffer) this.#buffers.add(buffer);
      if (tensor.indexLimit) {
        const guard = makeIndexGuard(tensor.indexLimit.ids, tensor.indexLimit.limit);
        if (guard) guards.push(guard);
      }
    }
    this.#guards = guards;
    return guards;
  }
}

function closed(what: string): GgmlError {
  return new GgmlError(`the graph cannot be computed: ${what}`, { code: "CLOSED", what });
}
