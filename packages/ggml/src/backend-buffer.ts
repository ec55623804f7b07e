import type { Device } from "./device.ts";
import { GgmlError } from "./errors.ts";
import { detach, type Pointer } from "./native.ts";

// Larger buffers are viewed piece by piece: Node limits the length of one typed array, and 2 GiB
// is below every limit in use.
const WHOLE_VIEW_BYTES_MAX = 2 ** 31;

/** A block of a device's memory in which tensors lie. */
export class BackendBuffer {
  readonly address: Pointer;
  readonly sizeBytes: number;
  #pointer: Pointer | undefined;
  #whole: ArrayBuffer | undefined;
  readonly #pieces = new Map<string, ArrayBuffer>();

  constructor(
    readonly device: Device,
    pointer: Pointer,
  ) {
    const { native } = device.library;
    this.#pointer = pointer;
    this.address = native.ggml_backend_buffer_get_base(pointer) ?? 0n;
    this.sizeBytes = Number(native.ggml_backend_buffer_get_size(pointer));
  }

  get isClosed(): boolean {
    return this.#pointer === undefined;
  }

  /** The C object. @throws GgmlError `CLOSED` */
  get pointer(): Pointer {
    if (this.#pointer === undefined) {
      throw new GgmlError("this buffer is closed", { code: "CLOSED", what: "buffer" });
    }
    return this.#pointer;
  }

  /**
   * Bytes of the buffer as JavaScript memory, without a copy. They become empty when the buffer is
   * closed.
   */
  bytes(offset: number, sizeBytes: number): Uint8Array {
    const { foreign } = this.device.library;
    if (this.isClosed || !this.device.isHost || offset < 0 || offset + sizeBytes > this.sizeBytes) {
      throw new GgmlError(
        `bytes ${offset}..${offset + sizeBytes} of a buffer of ${this.sizeBytes} on ` +
          `${this.device.name} cannot be viewed`,
        { code: "NOT_HOST_MEMORY", tensor: `buffer on ${this.device.name}` },
      );
    }
    if (this.sizeBytes <= WHOLE_VIEW_BYTES_MAX) {
      this.#whole ??= foreign.view(this.address, this.sizeBytes);
      return new Uint8Array(this.#whole, offset, sizeBytes);
    }
    const key = `${offset}+${sizeBytes}`;
    let piece = this.#pieces.get(key);
    if (!piece) {
      piece = foreign.view(this.address + BigInt(offset), sizeBytes);
      this.#pieces.set(key, piece);
    }
    return new Uint8Array(piece);
  }

  /** Frees the memory; every view of it becomes empty. Closing twice is allowed. */
  close(): void {
    if (this.#pointer === undefined) return;
    if (this.#whole) detach(this.#whole);
    for (const piece of this.#pieces.values()) detach(piece);
    this.#pieces.clear();
    this.device.library.native.ggml_backend_buffer_free(this.#pointer);
    this.#pointer = undefined;
  }
}
