import type { Arena, NewTensor } from "./arena.ts";
import type { BackendBuffer } from "./backend-buffer.ts";
import { GgmlError, invalidArgument, requireArgument } from "./errors.ts";
import type { Graph } from "./graph.ts";
import type { GraphAllocator } from "./graph-allocator.ts";
import type { Pointer } from "./native.ts";
import { rowSizeBytes, TENSOR_TYPE, tensorTypeInfo } from "./tensor-types.ts";

/** Elements (or byte strides) along the four dimensions, the contiguous one first. */
export type TensorShape = readonly [number, number, number, number];

/** Typed arrays that can be written to a tensor. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int32Array
  | BigInt64Array
  | Uint16Array
  | Uint8Array;

type Placement =
  | { readonly buffer: BackendBuffer; readonly address: Pointer }
  | { readonly allocator: GraphAllocator; readonly epoch: number };

/**
 * A tensor of ggml: its description, what it is computed from, and its memory. Shape and strides
 * are kept here as well as in native memory, so that every check runs without a foreign call.
 */
export class Tensor {
  readonly type: number;
  readonly shape: TensorShape;
  /** Bytes between neighbours along each dimension. */
  readonly strides: TensorShape;
  /** `leaf` for input and weights, else the operation that computes the tensor. */
  readonly operation: string;
  readonly sources: readonly Tensor[];
  /** The tensor that owns the memory; the tensor itself unless it is a view. */
  readonly root: Tensor;
  /** Where this view begins in its root's memory, in bytes. */
  readonly rootOffset: number;
  readonly indexLimit: NewTensor["indexLimit"];
  /** The graph whose computation writes this tensor. */
  computedBy: Graph | undefined;
  /** True when some operation writes into this leaf, so that its contents are not ours alone. */
  isWrittenByOperation = false;
  /** What a leaf on a device holds, for indices that are only written through a staged tensor. */
  mirror: Int32Array | BigInt64Array | undefined;
  #name = "";
  #placement: Placement | undefined;
  #isViewConnected = false;

  constructor(
    readonly arena: Arena,
    readonly pointer: Pointer,
    made: NewTensor & { readonly strides: TensorShape },
  ) {
    this.type = made.type;
    this.shape = made.shape;
    this.strides = made.strides;
    this.operation = made.operation;
    this.sources = made.sources;
    this.indexLimit = made.indexLimit;
    this.root = made.viewOf?.tensor.root ?? this;
    this.rootOffset = made.viewOf ? made.viewOf.tensor.rootOffset + made.viewOf.offsetBytes : 0;
  }

  get name(): string {
    return this.#name;
  }

  /** Names the tensor for messages and for ggml's own; cut to the 63 bytes ggml has room for. */
  setName(name: string): void {
    this.#name = name;
    this.arena.library.native.ggml_set_name(this.pointer, name);
  }

  /**
   * Keeps a graph allocator from giving the memory of this result to a later node, and a back end
   * from leaving the result out because nobody in the graph needs it.
   */
  markOutput(): void {
    this.arena.library.native.ggml_set_output(this.pointer);
  }

  /**
   * Has this result written where it lies, for whoever reads that place outside of its graph. CUDA
   * computes additions that follow each other as one, and writes their sum where the first of them
   * was to go; it does not where the one before the last is an output itself.
   */
  keepPlace(): void {
    const { root } = this;
    if (root.operation === "leaf") return;
    root.markOutput();
    for (const source of root.sources) if (source.operation === "add") source.markOutput();
  }

  toString(): string {
    const { name } = tensorTypeInfo(this.type);
    return `${this.#name || this.operation} ${name}[${this.shape.join(", ")}]`;
  }

  get elements(): number {
    return this.shape[0] * this.shape[1] * this.shape[2] * this.shape[3];
  }

  /** Bytes from the first to the last element, gaps between strides included. */
  get sizeBytes(): number {
    const { blockElements, blockBytes } = tensorTypeInfo(this.type);
    if (blockElements > 1) {
      const row = (this.shape[0] / blockElements) * blockBytes;
      return this.shape
        .slice(1)
        .reduce((sum, count, index) => sum + (count - 1) * (this.strides[index + 1] ?? 0), row);
    }
    return this.shape.reduce(
      (sum, count, index) => sum + (count - 1) * (this.strides[index] ?? 0),
      blockBytes,
    );
  }

  /** True when the elements lie without gaps in the order of their indices. */
  get isContiguous(): boolean {
    const dense = contiguousStrides(this.type, this.shape);
    return this.shape.every((count, index) => count === 1 || this.strides[index] === dense[index]);
  }

  /** True when the elements of each row lie without gaps. */
  get hasContiguousRows(): boolean {
    return this.strides[0] === tensorTypeInfo(this.type).blockBytes;
  }

  get isPlaced(): boolean {
    return this.root.#placement !== undefined;
  }

  /** Notes where the tensor lies. Called once, by the arena or allocator that placed it. */
  place(buffer: BackendBuffer, address: Pointer): void {
    this.#placement = { buffer, address };
  }

  /** Notes that a graph allocator lends memory to this tensor until its next allocation. */
  placeForGraph(allocator: GraphAllocator, epoch: number): void {
    this.#placement = { allocator, epoch };
  }

  /** Gives a view its place in a buffer; a tensor that is no view needs nothing. */
  connectView(): void {
    const placement = this.root.#placement;
    if (this.root === this || this.#isViewConnected || !placement || !("buffer" in placement)) {
      return;
    }
    this.arena.library.native.ggml_backend_view_init(this.pointer);
    this.#isViewConnected = true;
  }

  /**
   * Where the tensor lies.
   * @throws GgmlError `NOT_ALLOCATED` | `CLOSED` | `NOT_HOST_MEMORY`
   */
  memory(): { buffer: BackendBuffer; address: Pointer; bufferOffset: number } {
    this.requireLive();
    const placement = this.root.#placement;
    if (!placement || !("buffer" in placement)) {
      throw new GgmlError(`${this} lies in memory that is lent for one graph; use read`, {
        code: "NOT_HOST_MEMORY",
        tensor: String(this),
      });
    }
    const address = placement.address + BigInt(this.rootOffset);
    const bufferOffset = Number(address - placement.buffer.address);
    return { buffer: placement.buffer, address, bufferOffset };
  }

  /** The buffer that holds the tensor, if it is not lent by a graph allocator. */
  bufferIfPlaced(): BackendBuffer | undefined {
    const placement = this.root.#placement;
    return placement && "buffer" in placement ? placement.buffer : undefined;
  }

  /**
   * Checks that the tensor has memory that is still there.
   * @throws GgmlError `NOT_ALLOCATED` | `CLOSED`
   */
  requireLive(): void {
    const placement = this.root.#placement;
    if (!placement) {
      throw new GgmlError(`${this} has no memory yet; call arena.allocate`, {
        code: "NOT_ALLOCATED",
        tensor: String(this),
      });
    }
    const isGone =
      this.arena.isClosed ||
      this.root.arena.isClosed ||
      ("buffer" in placement
        ? placement.buffer.isClosed
        : placement.allocator.epoch !== placement.epoch);
    if (isGone) {
      throw new GgmlError(`the memory of ${this} is gone`, { code: "CLOSED", what: String(this) });
    }
  }

  /**
   * Copies `data` into the tensor; its byte length must be the tensor's size.
   * @throws GgmlError `INVALID_ARGUMENT` | `NOT_ALLOCATED` | `CLOSED`
   */
  write(data: TensorData): void {
    this.#requireTransfer("Tensor.write", data);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.arena.library.native.ggml_backend_tensor_set(this.pointer, bytes, 0, bytes.length);
  }

  /** Copies bytes into a contiguous tensor, from `offsetBytes` on, and waits for it. */
  writePart(data: Uint8Array, offsetBytes: number): void {
    this.requireLive();
    requireArgument(
      this.isContiguous && offsetBytes >= 0 && offsetBytes + data.length <= this.sizeBytes,
      "Tensor.writePart",
      () => `${data.length} bytes from ${offsetBytes} on do not fit into ${this}`,
    );
    const { native } = this.arena.library;
    native.ggml_backend_tensor_set(this.pointer, data, offsetBytes, data.length);
  }

  /** Copies the tensor into `data`, whose byte length must be the tensor's size. */
  read<T extends TensorData>(data: T): T {
    this.#requireTransfer("Tensor.read", data);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.arena.library.native.ggml_backend_tensor_get(this.pointer, bytes, 0, bytes.length);
    return data;
  }

  /** The tensor's memory itself; it becomes empty when the memory is freed. */
  bytes(): Uint8Array {
    requireArgument(this.isContiguous, "Tensor.bytes", () => `${this} is not contiguous`);
    const { buffer, bufferOffset } = this.memory();
    return buffer.bytes(bufferOffset, this.sizeBytes);
  }

  /** The memory of an F32 tensor, without a copy. */
  float32(): Float32Array {
    this.#requireType("Tensor.float32", TENSOR_TYPE.F32);
    const bytes = this.bytes();
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  /**
   * The memory of an I32 tensor, without a copy. Indices written here are checked when a graph
   * that uses them is computed.
   */
  int32(): Int32Array {
    this.#requireType("Tensor.int32", TENSOR_TYPE.I32);
    const bytes = this.bytes();
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  /** The memory of an I64 tensor, without a copy; see {@link Tensor.int32}. */
  int64(): BigInt64Array {
    this.#requireType("Tensor.int64", TENSOR_TYPE.I64);
    const bytes = this.bytes();
    return new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
  }

  /** The memory of an F16 tensor as bit patterns, without a copy. */
  float16Bits(): Uint16Array {
    this.#requireType("Tensor.float16Bits", TENSOR_TYPE.F16);
    const bytes = this.bytes();
    return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  }

  #requireType(operation: string, type: number): void {
    requireArgument(
      this.type === type,
      operation,
      () => `${this} is not ${tensorTypeInfo(type).name}`,
    );
  }

  #requireTransfer(operation: string, data: TensorData): void {
    this.requireLive();
    requireArgument(this.isContiguous, operation, () => `${this} is not contiguous`);
    requireArgument(
      data.byteLength === this.sizeBytes,
      operation,
      () => `${data.byteLength} bytes for ${this}; expected ${this.sizeBytes}`,
    );
    requireArgument(
      data instanceof Uint8Array || ELEMENT_ARRAYS[this.type] === data.constructor,
      operation,
      () => `${data.constructor.name} does not hold elements of ${this}; or use a Uint8Array`,
    );
  }
}

const ELEMENT_ARRAYS: Record<number, unknown> = {
  [TENSOR_TYPE.F32]: Float32Array,
  [TENSOR_TYPE.F64]: Float64Array,
  [TENSOR_TYPE.F16]: Uint16Array,
  [TENSOR_TYPE.BF16]: Uint16Array,
  [TENSOR_TYPE.I32]: Int32Array,
  [TENSOR_TYPE.I64]: BigInt64Array,
};

/** Fills up a shape to four dimensions and checks it. @throws GgmlError `INVALID_ARGUMENT` */
export function tensorShape(operation: string, shape: readonly number[]): TensorShape {
  const isValid =
    shape.length >= 1 &&
    shape.length <= 4 &&
    shape.every((count) => Number.isSafeInteger(count) && count >= 1);
  const [ne0 = 1, ne1 = 1, ne2 = 1, ne3 = 1] = shape;
  // ggml computes sizes in 64 bits; beyond 2^53 they would not be exact here.
  if (!isValid || !Number.isSafeInteger(ne0 * ne1 * ne2 * ne3 * 8)) {
    throw invalidArgument(
      operation,
      `shape [${shape.join(", ")}]; expected 1 to 4 whole numbers from 1 up, less than 2^50 elements`,
    );
  }
  return [ne0, ne1, ne2, ne3];
}

/** Byte strides of a dense tensor. */
export function contiguousStrides(type: number, shape: TensorShape): TensorShape {
  const row = rowSizeBytes(type, shape[0]);
  return [tensorTypeInfo(type).blockBytes, row, row * shape[1], row * shape[1] * shape[2]];
}
