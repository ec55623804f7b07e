import type { BackendBuffer } from "./backend-buffer.ts";
import type { Device } from "./device.ts";
import { GgmlError, invalidArgument, requireArgument, requireInteger } from "./errors.ts";
import { Graph } from "./graph.ts";
import { HostMemory } from "./host-memory.ts";
import type { GgmlLibrary } from "./library.ts";
import type { Pointer } from "./native.ts";
import { contiguousStrides, Tensor, type TensorShape, tensorShape } from "./tensor.ts";
import { rowSizeBytes, tensorTypeInfo } from "./tensor-types.ts";

/** How much an arena can hold. ggml aborts when it is full, so the arena counts. */
export interface ArenaOptions {
  /** Tensors, including one for every operation and view. */
  readonly tensorCountMax: number;
  /** Nodes of the arena's graph; 0 (the default) for an arena without a graph. */
  readonly graphNodeCountMax?: number;
}

/** What an operation tells the arena about the tensor it has just made. */
export interface NewTensor {
  readonly operation: string;
  readonly type: number;
  readonly shape: TensorShape;
  readonly strides?: TensorShape;
  readonly sources: readonly Tensor[];
  /** The tensor whose memory this one shares, and where in it. */
  readonly viewOf?: { readonly tensor: Tensor; readonly offsetBytes: number };
  /** Indices that ggml asserts on when they are out of range. */
  readonly indexLimit?: { readonly ids: Tensor; readonly limit: number };
}

/**
 * Owns the descriptions of tensors (`ggml_context`), and the memory that `allocate` gives them.
 * Everything made in an arena dies with it.
 */
export class Arena {
  readonly library: GgmlLibrary;
  readonly #tensorCountMax: number;
  readonly #tensors: Tensor[] = [];
  readonly #buffers: BackendBuffer[] = [];
  readonly #memory: HostMemory;
  #graph: Graph | undefined;
  readonly #graphNodeCountMax: number;
  #pointer: Pointer | undefined;

  constructor(library: GgmlLibrary, options: ArenaOptions) {
    const nodes = options.graphNodeCountMax ?? 0;
    requireInteger("Arena", "tensorCountMax", options.tensorCountMax, 1, 10_000_000);
    requireInteger("Arena", "graphNodeCountMax", nodes, 0, 10_000_000);
    this.library = library;
    this.#tensorCountMax = options.tensorCountMax;
    this.#graphNodeCountMax = nodes;
    const { native } = library;
    const graphBytes = nodes > 0 ? Number(native.ggml_graph_overhead_custom(nodes, false)) : 0;
    // 1 KiB of slack for the alignment of the objects inside.
    const sizeBytes =
      options.tensorCountMax * Number(native.ggml_tensor_overhead()) + graphBytes + 1024;
    this.#memory = new HostMemory(library.foreign, sizeBytes, "descriptions of tensors");
    const skip = -this.#memory.address & BigInt(DESCRIPTION_ALIGNMENT_BYTES - 1);
    const pointer = native.ggml_init({
      mem_size: sizeBytes - Number(skip),
      mem_buffer: this.#memory.address + skip,
      no_alloc: true,
    });
    if (!pointer) {
      throw new GgmlError(`an arena of ${sizeBytes} bytes could not be made`, {
        code: "ALLOCATION_FAILED",
        what: "arena",
        sizeBytes,
      });
    }
    this.#pointer = pointer;
  }

  get isClosed(): boolean {
    return this.#pointer === undefined;
  }

  /** The C object. @throws GgmlError `CLOSED` */
  get pointer(): Pointer {
    if (this.#pointer === undefined) {
      throw new GgmlError("this arena is closed", { code: "CLOSED", what: "arena" });
    }
    return this.#pointer;
  }

  /** Bytes of device memory that `allocate` has taken so far. */
  get allocatedBytes(): number {
    return this.#buffers.reduce((sum, buffer) => sum + buffer.sizeBytes, 0);
  }

  /**
   * A new tensor without memory; `shape` gives 1 to 4 dimensions, the contiguous one first.
   * @throws GgmlError `INVALID_ARGUMENT` | `ARENA_FULL`
   */
  tensor(type: number, shape: readonly number[], name?: string): Tensor {
    const full = tensorShape("Arena.tensor", shape);
    const info = tensorTypeInfo(type);
    requireArgument(
      full[0] % info.blockElements === 0,
      "Arena.tensor",
      () => `rows of ${full[0]} elements are no whole blocks of ${info.blockElements} ${info.name}`,
    );
    this.reserve("Arena.tensor", 1);
    const pointer = this.library.native.ggml_new_tensor_4d(this.pointer, type, ...full);
    const tensor = this.adopt(pointer, { operation: "leaf", type, shape: full, sources: [] });
    if (name !== undefined) tensor.setName(name);
    return tensor;
  }

  /**
   * A leaf that shares the memory of `tensor`, which may be a node of another graph: this is how
   * one graph reads what another has computed without computing it again.
   */
  alias(tensor: Tensor): Tensor {
    requireArgument(
      tensor.isContiguous,
      "Arena.alias",
      () => `${tensor} is not contiguous; make it so with cont`,
    );
    const { buffer, address } = tensor.memory();
    this.reserve("Arena.alias", 1);
    const { native } = this.library;
    const pointer = native.ggml_new_tensor_4d(this.pointer, tensor.type, ...tensor.shape);
    const alias = this.adopt(pointer, {
      operation: "leaf",
      type: tensor.type,
      shape: tensor.shape,
      sources: [],
    });
    native.ggml_backend_tensor_alloc(buffer.pointer, pointer, address);
    alias.place(buffer, address);
    tensor.keepPlace();
    return alias;
  }

  /**
   * Makes the result of an operation lie in the memory of `target`, which may belong to another
   * graph: this is how several graphs write the same tensor. Call it before `allocate`.
   */
  placeInto(result: Tensor, target: Tensor): void {
    requireArgument(
      result.arena === this && result.root === result && !result.isPlaced,
      "Arena.placeInto",
      () => `${result} has memory already, is a view, or belongs to another arena`,
    );
    requireArgument(
      result.type === target.type &&
        target.isContiguous &&
        result.shape.every((size, dimension) => size === target.shape[dimension]),
      "Arena.placeInto",
      () => `${result} does not fit into ${target}; expected the same type and shape, contiguous`,
    );
    const { buffer, address } = target.memory();
    target.root.isWrittenByOperation = true;
    this.library.native.ggml_backend_tensor_alloc(buffer.pointer, result.pointer, address);
    result.place(buffer, address);
    result.keepPlace();
  }

  /**
   * Makes the result of an operation lie within the memory of `target`, from `offsetBytes` on,
   * whatever its type: this is how several results are read in one piece. Call it before
   * `allocate`.
   */
  placeWithin(result: Tensor, target: Tensor, offsetBytes: number): void {
    const { buffer, address } = target.memory();
    requireArgument(
      result.arena === this && result.root === result && !result.isPlaced,
      "Arena.placeWithin",
      () => `${result} has memory already, is a view, or belongs to another arena`,
    );
    requireArgument(
      offsetBytes >= 0 &&
        offsetBytes % buffer.device.alignmentBytes === 0 &&
        offsetBytes + result.sizeBytes <= target.sizeBytes,
      "Arena.placeWithin",
      () => `${result} does not fit into ${target} at ${offsetBytes}, or not aligned`,
    );
    target.root.isWrittenByOperation = true;
    const place = address + BigInt(offsetBytes);
    this.library.native.ggml_backend_tensor_alloc(buffer.pointer, result.pointer, place);
    result.place(buffer, place);
    result.keepPlace();
  }

  /** The arena's graph. @throws GgmlError `INVALID_ARGUMENT` when it was made without one */
  get graph(): Graph {
    if (this.#graph) return this.#graph;
    if (this.#graphNodeCountMax === 0) {
      throw invalidArgument("Arena.graph", "this arena was made with graphNodeCountMax 0");
    }
    const { native } = this.library;
    const size = this.#graphNodeCountMax;
    this.#graph = new Graph(this, native.ggml_new_graph_custom(this.pointer, size, false), size);
    return this.#graph;
  }

  /**
   * Gives memory to every tensor of the arena that has none, and connects views to theirs.
   * @param alignmentBytes  every tensor begins at a multiple of it; a power of two
   */
  allocate(device: Device, alignmentBytes: number = device.alignmentBytes): void {
    requireArgument(
      Number.isInteger(Math.log2(alignmentBytes)) && alignmentBytes >= device.alignmentBytes,
      "Arena.allocate",
      () => `alignment ${alignmentBytes}; expected a power of two >= ${device.alignmentBytes}`,
    );
    const { native } = this.library;
    const waiting = this.#tensors.filter((tensor) => tensor.root === tensor && !tensor.isPlaced);
    const alignUp = (value: number) => Math.ceil(value / alignmentBytes) * alignmentBytes;
    const offsets: number[] = [];
    let sizeBytes = 0;
    for (const tensor of waiting) {
      offsets.push(sizeBytes);
      const own = native.ggml_backend_buft_get_alloc_size(device.bufferType, tensor.pointer);
      sizeBytes = alignUp(sizeBytes + Number(own));
    }
    if (waiting.length > 0) {
      const buffer = device.allocate(Math.max(1, sizeBytes + alignmentBytes));
      this.#buffers.push(buffer);
      const mask = BigInt(alignmentBytes - 1);
      const base = (buffer.address + mask) & ~mask;
      waiting.forEach((tensor, index) => {
        const address = base + BigInt(offsets[index] ?? 0);
        native.ggml_backend_tensor_alloc(buffer.pointer, tensor.pointer, address);
        tensor.place(buffer, address);
      });
    }
    for (const tensor of this.#tensors) tensor.connectView();
  }

  /** Checks that `count` more tensors fit; every operation calls this first. */
  reserve(operation: string, count: number): void {
    if (this.isClosed) {
      throw new GgmlError(`${operation}: the arena is closed`, { code: "CLOSED", what: "arena" });
    }
    if (this.#tensors.length + count > this.#tensorCountMax) {
      throw new GgmlError(
        `${operation}: the arena is full with ${this.#tensorCountMax} tensors; ` +
          "make it with a larger tensorCountMax",
        { code: "ARENA_FULL", tensorCountMax: this.#tensorCountMax },
      );
    }
  }

  /** Takes a tensor that native code has just made in this arena into the books. */
  adopt(pointer: Pointer, made: NewTensor): Tensor {
    const strides = made.strides ?? contiguousStrides(made.type, made.shape);
    const tensor = new Tensor(this, pointer, { ...made, strides });
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Bytes of a native struct in this arena; they become empty when the arena closes. */
  structBytes(address: Pointer, sizeBytes: number): Uint8Array {
    return this.#memory.bytes(Number(address - this.#memory.address), sizeBytes);
  }

  /** Frees descriptions and memory; views of them become empty. Closing twice is allowed. */
  close(): void {
    if (this.#pointer === undefined) return;
    for (const buffer of this.#buffers) buffer.close();
    this.library.native.ggml_free(this.#pointer);
    this.#pointer = undefined;
    this.#memory.free();
  }
}

/** What ggml asserts of a context's memory, GGML_MEM_ALIGN. */
const DESCRIPTION_ALIGNMENT_BYTES = 16;

/** Bytes of a contiguous tensor of this type and shape. */
export function tensorSizeBytes(type: number, shape: readonly number[]): number {
  const full = tensorShape("tensor size", shape);
  return rowSizeBytes(type, full[0]) * full[1] * full[2] * full[3];
}
