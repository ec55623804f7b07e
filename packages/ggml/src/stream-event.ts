import type { Backend } from "./backend.ts";
import type { Device } from "./device.ts";
import { GgmlError } from "./errors.ts";
import type { Pointer } from "./native.ts";

/**
 * A mark in the stream of a backend that others wait for. On a device without events the stream is
 * waited for where the mark is set: slower, and right.
 */
export class StreamEvent {
  readonly #device: Device;
  #pointer: Pointer | undefined;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(device: Device) {
    this.#device = device;
    if (!device.capabilities.hasEvents) return;
    const pointer = device.library.native.ggml_backend_event_new(device.pointer);
    if (!pointer) {
      throw new GgmlError(`an event could not be made on ${device.name}`, {
        code: "ALLOCATION_FAILED",
        what: "event",
        sizeBytes: 0,
      });
    }
    this.#pointer = pointer;
  }

  /** Marks what was asked of `backend` so far; an earlier mark is forgotten. */
  record(backend: Backend): void {
    if (this.#pointer === undefined) backend.synchronize();
    else this.#device.library.native.ggml_backend_event_record(this.#pointer, backend.pointer);
  }

  /** What is asked of `backend` from now on begins after the mark. Returns at once. */
  delay(backend: Backend): void {
    if (this.#pointer === undefined) return;
    this.#device.library.native.ggml_backend_event_wait(backend.pointer, this.#pointer);
  }

  /** Returns when the mark is reached. */
  wait(): void {
    if (this.#pointer === undefined) return;
    this.#device.library.native.ggml_backend_event_synchronize(this.#pointer);
  }

  /** Frees the event. Closing twice is allowed. */
  close(): void {
    if (this.#pointer === undefined) return;
    this.#device.library.native.ggml_backend_event_free(this.#pointer);
    this.#pointer = undefined;
  }
}
