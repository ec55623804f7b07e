import type { Device } from "./device.ts";
import { GgmlError } from "./errors.ts";
import type { HostMemory } from "./host-memory.ts";
import type { Pointer } from "./native.ts";

/** A block of a device's memory in which tensors lie. */
export class BackendBuffer {
  readonly address: Pointer;
  readonly sizeBytes: number;
  #pointer: Pointer | undefined;
  readonly #host: { readonly memory: HostMemory; readonly offset: number } | undefined;

  /**
   * @param host  where the buffer begins in memory of this process, for devices that compute there
   */
  constructor(
    readonly device: Device,
    pointer: Pointer,
    host?: { readonly memory: HostMemory; readonly offset: number },
  ) {
    const { native } = device.library;
    this.#pointer = pointer;
    this.#host = host;
    this.address = native.ggml_backend_buffer_get_base(pointer) ?? 0n;
    this.sizeBytes = Number(native.ggml_backend_buffer_get_size(pointer));
  }

  get isClosed(): boolean {
    return this.#pointer === undefined;
  }

  /** True when `bytes` works. */
  get isHost(): boolean {
    return this.#host !== undefined;
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
   * @throws GgmlError `CLOSED` | `NOT_HOST_MEMORY`
   */
  bytes(offset: number, sizeBytes: number): Uint8Array {
    if (this.isClosed) {
      throw new GgmlError("this buffer is closed", { code: "CLOSED", what: "buffer" });
    }
    if (!this.#host || offset < 0 || sizeBytes < 0 || offset + sizeBytes > this.sizeBytes) {
      throw new GgmlError(
        `bytes ${offset} to ${offset + sizeBytes} of a buffer of ${this.sizeBytes} on ` +
          `${this.device.name} cannot be viewed; read a copy instead`,
        { code: "NOT_HOST_MEMORY", tensor: `buffer on ${this.device.name}` },
      );
    }
    return this.#host.memory.bytes(this.#host.offset + offset, sizeBytes);
  }

  /** Frees the memory; every view of it becomes empty. Closing twice is allowed. */
  close(): void {
    if (this.#pointer === undefined) return;
    this.device.library.native.ggml_backend_buffer_free(this.#pointer);
    this.#pointer = undefined;
    this.#host?.memory.free();
  }
}
