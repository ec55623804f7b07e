import type { Device } from "@fmlab/ggml";

/** How much memory of a card was taken at most since this was made, as the card says when asked. */
export class CardMeter {
  readonly device: Device;
  readonly #freeAtStartBytes: number;
  #freeLeastBytes: number;

  constructor(device: Device) {
    this.device = device;
    this.#freeAtStartBytes = device.isHost ? 0 : device.memory().freeBytes;
    this.#freeLeastBytes = this.#freeAtStartBytes;
  }

  /** Asks the card. */
  look(): void {
    if (this.device.isHost) return;
    this.#freeLeastBytes = Math.min(this.#freeLeastBytes, this.device.memory().freeBytes);
  }

  /** Undefined where memory is the host's. */
  get peakBytes(): number | undefined {
    return this.device.isHost ? undefined : this.#freeAtStartBytes - this.#freeLeastBytes;
  }

  /** Undefined where memory is the host's. */
  get totalBytes(): number | undefined {
    return this.device.isHost ? undefined : this.device.memory().totalBytes;
  }
}
