import { HOST, HostDirectory } from "./host-directory.ts";
import type { HostTierPlan } from "./host-tier.ts";

/**
 * Experts of a host tier that are held where they lie, so that this thread may compute with them
 * while other threads copy and read. One layer at a time: any of `hold`, then `release`.
 */
export class HeldPlaces {
  readonly #directory: HostDirectory;
  /** By place: its address. */
  readonly #addresses: BigInt64Array;
  readonly #held: number[] = [];

  /** @param plan  of a tier whose memory outlives this */
  constructor({ directory, map, slotCount }: HostTierPlan) {
    this.#directory = new HostDirectory(directory, slotCount);
    this.#addresses = BigInt64Array.from({ length: slotCount }, (_, slot) => {
      const block = map.blocks[map.block[slot] ?? -1];
      return block ? block.address + BigInt(map.offset[slot] ?? 0) : 0n;
    });
  }

  /**
   * Keeps an expert in its place until `release`.
   * @returns the address of its bytes, gate, up and down one after the other; 0 when it is not
   *          there, or still on its way from disk
   */
  hold(key: number): bigint {
    if (this.#directory.ask(key, false, () => false) !== HOST.hit) return 0n;
    const { slot } = this.#directory;
    this.#held.push(slot);
    return this.#addresses[slot] ?? 0n;
  }

  /** Lets go of all that is held. */
  release(): void {
    for (const slot of this.#held) this.#directory.release(slot);
    this.#held.length = 0;
  }
}
