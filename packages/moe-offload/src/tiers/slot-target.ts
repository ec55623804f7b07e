import { type Backend, GgmlLibrary, StreamEvent } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import type { SlotPlace } from "../engine/interfaces.ts";
import { NativeMemory, type RegionMap } from "./native-memory.ts";

/** Where the slots lie: stretches of this process's memory, or tensors on a card. */
export type SlotRegions =
  | { readonly kind: "host"; readonly map: RegionMap }
  | {
      readonly kind: "device";
      readonly device: DeviceName;
      /** Folder of ggml's libraries, for other threads to find the same ones. */
      readonly directory: string;
      /** By region: the tensor, and where in it the region begins. Shared memory. */
      readonly tensors: BigInt64Array;
      readonly offsets: Float64Array;
      /** Places whose copies are told apart. */
      readonly places: number;
    };

/** Slots on a card. */
export interface CardSlots {
  readonly device: DeviceName;
  readonly library: GgmlLibrary;
  /** Where each slot lies, by part in the order of `EXPERT_PARTS`. */
  readonly places: readonly (readonly SlotPlace[])[];
}

/** What other threads need to write slots on a card. @param places  copies under way at once */
export function cardRegions({ device, library, places: slots }: CardSlots, places: number) {
  const regions = slots.flat();
  const tensors = new BigInt64Array(new SharedArrayBuffer(8 * regions.length));
  const offsets = new Float64Array(new SharedArrayBuffer(8 * regions.length));
  regions.forEach(({ tensor, offsetBytes }, index) => {
    tensor.requireLive();
    tensors[index] = tensor.pointer;
    offsets[index] = offsetBytes;
  });
  const { directory } = library;
  return { kind: "device", device, directory, tensors, offsets, places } as const;
}

/** Memory of the slots as the thread writes it that moves experts. */
export interface SlotTarget {
  /** Begins to write a region; the bytes stay as they are until the place is settled. */
  write(region: number, bytes: Uint8Array): void;
  /** All writes of a place are asked for. */
  mark(place: number): void;
  /** True when `settle` may have to wait. */
  readonly isAsync: boolean;
  /** Returns when the marked writes of a place are done. */
  settle(place: number): void;
  /** Lets go of the memory: nothing here reaches it any more. */
  release(): void;
}

/** Opens the slots' memory. @throws EngineError `NO_DEVICE`, GgmlError */
export function openSlots(regions: SlotRegions): SlotTarget {
  return regions.kind === "host" ? new HostSlots(regions.map) : new DeviceSlots(regions);
}

class HostSlots implements SlotTarget {
  readonly isAsync = false;
  readonly #memory: NativeMemory;

  constructor(map: RegionMap) {
    this.#memory = new NativeMemory(map);
  }

  write(region: number, bytes: Uint8Array): void {
    this.#memory.write(region, bytes);
  }

  mark(): void {}

  settle(): void {}

  release(): void {
    this.#memory.release();
  }
}

/** Writes in a stream of its own, which nothing that computes waits in. */
class DeviceSlots implements SlotTarget {
  readonly isAsync: boolean;
  readonly #backend: Backend;
  readonly #library: GgmlLibrary;
  readonly #regions: Extract<SlotRegions, { kind: "device" }>;
  readonly #marks: readonly StreamEvent[];

  constructor(regions: Extract<SlotRegions, { kind: "device" }>) {
    this.#library = GgmlLibrary.load({ ...process.env, GGML_LIB_DIR: regions.directory });
    const device = findDevice(this.#library, regions.device);
    this.#regions = regions;
    this.#backend = device.open();
    this.isAsync = device.capabilities.hasEvents;
    this.#marks = Array.from({ length: regions.places }, () => new StreamEvent(device));
  }

  write(region: number, bytes: Uint8Array): void {
    const { offsets, tensors } = this.#regions;
    const { native } = this.#library;
    const offset = offsets[region] ?? 0;
    const tensor = tensors[region] ?? 0n;
    native.ggml_backend_tensor_set_async(
      this.#backend.pointer,
      tensor,
      bytes,
      offset,
      bytes.length,
    );
  }

  mark(place: number): void {
    this.#marks[place]?.record(this.#backend);
  }

  settle(place: number): void {
    this.#marks[place]?.wait();
  }

  release(): void {
    this.#backend.synchronize();
    for (const mark of this.#marks) mark.close();
    this.#backend.close();
  }
}
