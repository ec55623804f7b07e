import type { Device } from "./device.ts";
import { GgmlError, requireInteger } from "./errors.ts";
import type { Pointer } from "./native.ts";

/** Typed arrays of Node 20 hold at most 4 GiB. */
const VIEW_BYTES_MAX = 2 ** 32 - 4096;

/**
 * Memory of the host that a device copies from and to directly ("pinned"), where it offers such;
 * plain memory elsewhere. Copies from plain memory take several times as long and are not done in
 * the background.
 */
export class StagingMemory {
  readonly address: Pointer;
  readonly sizeBytes: number;
  /** False where the device has no such memory, or the system grants none. */
  readonly isPinned: boolean;
  readonly #device: Device;
  readonly #views: ArrayBuffer[] = [];
  #buffer: Pointer | undefined;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(device: Device, sizeBytes: number) {
    requireInteger("StagingMemory", "sizeBytes", sizeBytes, 1, Number.MAX_SAFE_INTEGER);
    const { native } = device.library;
    const pinned = native.ggml_backend_dev_host_buffer_type(device.pointer);
    const cpu = device.library.cpu.bufferType;
    this.#device = device;
    this.sizeBytes = sizeBytes;
    const buffer = native.ggml_backend_buft_alloc_buffer(pinned ?? cpu, sizeBytes);
    const address = buffer ? native.ggml_backend_buffer_get_base(buffer) : null;
    if (!buffer || !address) {
      throw new GgmlError(
        `${sizeBytes} bytes of host memory for ${device.name} could not be allocated; ask for less`,
        { code: "ALLOCATION_FAILED", what: "staging memory", sizeBytes },
      );
    }
    this.#buffer = buffer;
    this.address = address;
    // CUDA falls back to plain memory without a word; only the type of what it gave tells.
    this.isPinned = pinned !== null && native.ggml_backend_buft_name(pinned) !== "CPU";
  }

  /** A part of the memory, without a copy; empty once the memory is freed. */
  bytes(offset: number, sizeBytes: number): Uint8Array {
    requireInteger("StagingMemory.bytes", "offset", offset, 0, this.sizeBytes);
    const most = Math.min(this.sizeBytes - offset, VIEW_BYTES_MAX);
    requireInteger("StagingMemory.bytes", "sizeBytes", sizeBytes, 0, most);
    if (this.#buffer === undefined) {
      throw new GgmlError("this memory is freed", { code: "CLOSED", what: "staging memory" });
    }
    const { foreign } = this.#device.library;
    const view = foreign.view(this.address + BigInt(offset), sizeBytes);
    this.#views.push(view);
    return new Uint8Array(view);
  }

  /** Frees the memory and empties its views; the device must be done with it. Twice is allowed. */
  close(): void {
    if (this.#buffer === undefined) return;
    for (const view of this.#views.splice(0)) structuredClone(view, { transfer: [view] });
    this.#device.library.native.ggml_backend_buffer_free(this.#buffer);
    this.#buffer = undefined;
  }
}
