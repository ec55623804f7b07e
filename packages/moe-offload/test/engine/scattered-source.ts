import type { Prng } from "@fmlab/sim";
import type { SlotPool } from "../../src/engine/interfaces.ts";
import { EXPERT_PARTS, type ExpertSource, type ModelFile } from "../../src/engine/interfaces.ts";
import type { ExpertLayout } from "../../src/model/expert-layout.ts";
import type { Routing } from "../../src/offload/routing.ts";

/**
 * Puts the experts of each layer into random slots of its class, and has them there at random times
 * between the request and the wait for them: nothing stays, nothing is in order.
 */
export class ScatteredSource implements ExpertSource {
  readonly readyFirst = true;
  readonly #file: ModelFile;
  readonly #layout: ExpertLayout;
  readonly #pool: SlotPool;
  readonly #prng: Prng;
  #layer = 0;
  #waiting: { expert: number; slot: number; isLoaded: boolean }[] = [];

  constructor(file: ModelFile, layout: ExpertLayout, pool: SlotPool, prng: Prng) {
    this.#file = file;
    this.#layout = layout;
    this.#pool = pool;
    this.#prng = prng;
  }

  request({ layer, experts }: Routing, slots: Int32Array): void {
    const { firstSlot, slotCount } = this.#pool.classOfLayer(layer);
    const free = Array.from({ length: slotCount }, (_, slot) => firstSlot + slot);
    this.#layer = layer;
    this.#waiting = Array.from(this.#prng.shuffle(free).slice(0, experts.length), (slot, i) => {
      // What was there before must not be taken for the expert.
      for (const part of EXPERT_PARTS) this.#pool.view(slot, part).fill(0);
      slots[i] = slot;
      return { expert: experts[i] ?? 0, slot, isLoaded: false };
    });
  }

  isReady(index: number): boolean {
    if (this.#prng.nextInt(3) === 0) this.waitFor(index);
    return this.#waiting[index]?.isLoaded === true;
  }

  waitFor(index: number): void {
    const one = this.#waiting[index];
    if (!one || one.isLoaded) return;
    for (const part of EXPERT_PARTS) {
      const { offset, fileIndex } = this.#layout.range(this.#layer, one.expert, part);
      this.#file.read(offset, this.#pool.view(one.slot, part), fileIndex);
    }
    one.isLoaded = true;
  }

  release(): void {
    this.#waiting = [];
  }
}
