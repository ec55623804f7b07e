import { type Backend, type Device, StagingMemory, StreamEvent, type Tensor } from "@fmlab/ggml";

/** Brings what a graph has computed to the host. */
export interface Readback {
  /** Begins the copy of a result, after all that was asked of the stream before. */
  begin(backend: Backend, result: Tensor): void;
  /** Returns when the copy is there: its bytes, until the next `begin`. */
  wait(): Uint8Array;
  /** Frees the memory. */
  close(): void;
}

/** @param bytesMax  of the largest result; 0 lets the memory grow with them */
export function openReadback(device: Device, bytesMax: number): Readback {
  return device.isHost ? new HostReadback() : new CardReadback(device, bytesMax);
}

/** Graphs on the host have ended when they were begun. */
class HostReadback implements Readback {
  #result: Tensor | undefined;
  #bytes = new Uint8Array(0);

  begin(_backend: Backend, result: Tensor): void {
    this.#result = result;
  }

  wait(): Uint8Array {
    const result = this.#result;
    if (!result) throw new Error("nothing was asked to be read back");
    if (this.#bytes.length !== result.sizeBytes) this.#bytes = new Uint8Array(result.sizeBytes);
    return result.read(this.#bytes);
  }

  close(): void {}
}

/** Copies into pinned memory in the order of the stream; waits for an event and no more. */
class CardReadback implements Readback {
  readonly #memory: StagingMemory;
  readonly #bytes: Uint8Array;
  readonly #done: StreamEvent;
  #backend: Backend | undefined;
  #sizeBytes = 0;

  /** @throws GgmlError `ALLOCATION_FAILED` */
  constructor(device: Device, bytesMax: number) {
    this.#memory = new StagingMemory(device, bytesMax);
    this.#bytes = this.#memory.bytes(0, bytesMax);
    this.#done = new StreamEvent(device);
  }

  begin(backend: Backend, result: Tensor): void {
    const { pointer, sizeBytes } = result;
    if (sizeBytes > this.#bytes.length) throw new RangeError(`${sizeBytes} bytes of ${result}`);
    const { native } = result.arena.library;
    native.ggml_backend_tensor_get_async(
      backend.pointer,
      pointer,
      this.#memory.address,
      0,
      sizeBytes,
    );
    this.#done.record(backend);
    this.#backend = backend;
    this.#sizeBytes = sizeBytes;
  }

  wait(): Uint8Array {
    this.#done.wait();
    return this.#bytes.subarray(0, this.#sizeBytes);
  }

  close(): void {
    this.#backend?.synchronize();
    this.#done.close();
    this.#memory.close();
  }
}
