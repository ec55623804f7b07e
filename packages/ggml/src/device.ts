import { Backend } from "./backend.ts";
import { BackendBuffer } from "./backend-buffer.ts";
import { GgmlError, requireInteger } from "./errors.ts";
import { HostMemory } from "./host-memory.ts";
import type { GgmlLibrary } from "./library.ts";
import type { Pointer } from "./native.ts";
import type { Tensor } from "./tensor.ts";

const KINDS = ["cpu", "gpu", "igpu", "accelerator"] as const;
/** What a device is: the processor, a graphics card, a card that shares memory, something else. */
export type DeviceKind = (typeof KINDS)[number];

/** Which back end of ggml drives a device. */
export type DeviceApi = "cpu" | "cuda" | "vulkan" | "metal" | "other";

/** What a device can do beside computing. */
export interface DeviceCapabilities {
  /** Copies and graphs run while the caller goes on. */
  readonly isAsync: boolean;
  /** It offers memory of the host that it copies from directly. */
  readonly hasHostMemory: boolean;
  /** Its streams can be ordered by events. */
  readonly hasEvents: boolean;
}

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
  /** What the device can do beside computing. */
  readonly capabilities: DeviceCapabilities;

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
    this.capabilities = this.#readCapabilities();
  }

  /** Which back end of ggml drives the device. */
  get api(): DeviceApi {
    if (this.kind === "cpu") return "cpu";
    const api = (["cuda", "vulkan", "metal"] as const).find((one) =>
      this.name.toLowerCase().startsWith(one),
    );
    return api ?? "other";
  }

  /** True when the device can compute an operation on tensors of these types and shapes. */
  supports(result: Tensor): boolean {
    return this.library.native.ggml_backend_dev_supports_op(this.pointer, result.pointer);
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
    // What lay in the memory before may not be numbers, and nought times that is none.
    if (pointer) native.ggml_backend_buffer_clear(pointer, 0);
    if (!pointer) {
      throw new GgmlError(
        `${sizeBytes} bytes could not be allocated on ${this.name}; ask for less or free some`,
        { code: "ALLOCATION_FAILED", what, sizeBytes },
      );
    }
    return new BackendBuffer(this, pointer);
  }

  /** `struct ggml_backend_dev_props`: 48 bytes, then four booleans. */
  #readCapabilities(): DeviceCapabilities {
    const properties = new Uint8Array(PROPERTIES_BYTES);
    this.library.native.ggml_backend_dev_get_props(this.pointer, properties);
    const [isAsync, hasHostMemory, , hasEvents] = properties.subarray(PROPERTIES_FLAGS);
    return {
      isAsync: isAsync === 1,
      hasHostMemory: hasHostMemory === 1,
      hasEvents: hasEvents === 1,
    };
  }
}

/** Size of the struct, with room to spare, and where its booleans begin; ggml 0.9.4. */
const PROPERTIES_BYTES = 128;
const PROPERTIES_FLAGS = 48;

/** A cache line on every processor in use. */
const HOST_ALIGNMENT_BYTES = 64;
