import { Backend } from "./backend.ts";
import { BackendBuffer } from "./backend-buffer.ts";
import { GgmlError, requireInteger } from "./errors.ts";
import { HostMemory } from "./host-memory.ts";
import type { GgmlLibrary } from "./library.ts";
import type { Pointer } from "./native.ts";

const KINDS = ["cpu", "gpu", "igpu", "accelerator"] as const;
/** What a device is: the processor, a graphics card, a card that shares memory, something else. */
export type DeviceKind = (typeof KINDS)[number];

/** A device that computes and holds memory. */
export class Device {
  readonly name: string;
  readonly description: string;
  readonly kind: DeviceKind;
  /** True when JavaScript can view the device's memory directly. */
  readonly isHost: boolean;
  /** Every tensor begins at a multiple of this many bytes. */
  readonly alignmentBytes: number;
  /** `ggml_backend_buffer_type_t` of the device's own memory. */
  readonly bufferType: Pointer;

  constructor(
    readonly library: GgmlLibrary,
    readonly pointer: Pointer,
  ) {
    const { native } = library;
    this.name = native.ggml_backend_dev_name(pointer);
    this.description = native.ggml_backend_dev_description(pointer);
    this.kind = KINDS[native.ggml_backend_dev_type(pointer)] ?? "accelerator";
    this.bufferType = native.ggml_backend_dev_buffer_type(pointer);
    this.isHost = native.ggml_backend_buft_is_host(this.bufferType);
    this.alignmentBytes = Number(native.ggml_backend_buft_get_alignment(this.bufferType));
  }

  /** Free and total memory of the device now, in bytes. */
  memory(): { freeBytes: number; totalBytes: number } {
    const free = new BigUint64Array(1);
    const total = new BigUint64Array(1);
    this.library.native.ggml_backend_dev_memory(this.pointer, free, total);
    return { freeBytes: Number(free[0]), totalBytes: Number(total[0]) };
  }

  /** Opens the device for computing. Close the backend when it is no longer needed. */
  open(): Backend {
    const backend = this.library.native.ggml_backend_dev_init(this.pointer, null);
    if (!backend) {
      throw new GgmlError(`device ${this.name} could not be opened`, {
        code: "ALLOCATION_FAILED",
        what: `device ${this.name}`,
        sizeBytes: 0,
      });
    }
    return new Backend(this, backend);
  }

  /**
   * Takes memory on the device.
   * @throws GgmlError `ALLOCATION_FAILED` when the device has not that much
   */
  allocate(sizeBytes: number): BackendBuffer {
    requireInteger("Device.allocate", "sizeBytes", sizeBytes, 1, Number.MAX_SAFE_INTEGER);
    const { foreign, native } = this.library;
    const what = `tensors on ${this.name}`;
    if (this.isHost) {
      // Room to begin at a cache line, whatever the memory's own alignment is.
      const memory = new HostMemory(foreign, sizeBytes + HOST_ALIGNMENT_BYTES, what);
      const skip = Number(-memory.address & BigInt(HOST_ALIGNMENT_BYTES - 1));
      const address = memory.address + BigInt(skip);
      const pointer = native.ggml_backend_cpu_buffer_from_ptr(address, sizeBytes);
      if (pointer) return new BackendBuffer(this, pointer, { memory, offset: skip });
    }
    const pointer = native.ggml_backend_buft_alloc_buffer(this.bufferType, sizeBytes);
    if (!pointer) {
      throw new GgmlError(
        `${sizeBytes} bytes could not be allocated on ${this.name}; ask for less or free some`,
        { code: "ALLOCATION_FAILED", what, sizeBytes },
      );
    }
    return new BackendBuffer(this, pointer);
  }
}

/** A cache line on every processor in use. */
const HOST_ALIGNMENT_BYTES = 64;
