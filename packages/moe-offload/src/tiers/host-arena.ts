import { type Device, StagingMemory } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import { addressOf, gatherRegions, type MemoryRegion, type RegionMap } from "./native-memory.ts";

/** ES2024; Node has it since version 20. */
interface ResizableArrayBuffer extends ArrayBuffer {
  resize(sizeBytes: number): void;
}
type ResizableConstructor = new (
  sizeBytes: number,
  options: { maxByteLength: number },
) => ResizableArrayBuffer;

/** Memory is taken in pieces of about this size; buffers of Node 20 hold at most 4 GiB. Chosen. */
const PIECE_BYTES = 2 ** 30;

/**
 * Memory of the host tier: `slotCount` places of `slotBytes` bytes. It belongs to this thread and
 * is given back at once by `free`, not at some later collection of garbage.
 */
export class HostArena {
  /** Arenas in use stay reachable, also when their lane was forgotten instead of closed. */
  static readonly #inUse = new Set<HostArena>();
  /** The places, for other threads to find. */
  readonly map: RegionMap;
  readonly #pieces: (() => void)[] = [];
  readonly #card: Device | undefined;

  /**
   * @param card  copies from the memory; then it is such that the card can do so directly
   * @throws MoeError `HOST_MEMORY_UNAVAILABLE`
   */
  constructor(slotCount: number, slotBytes: number, card?: Device) {
    this.#card = card;
    const regions: MemoryRegion[] = [];
    const perPiece = Math.max(1, Math.floor(PIECE_BYTES / slotBytes));
    for (let first = 0; first < slotCount; first += perPiece) {
      const slots = Math.min(perPiece, slotCount - first);
      const address = this.#take(slots * slotBytes, slotCount * slotBytes);
      for (let i = 0; i < slots; i++) {
        regions.push({ address: address + BigInt(i * slotBytes), sizeBytes: slotBytes });
      }
    }
    this.map = gatherRegions(regions);
    HostArena.#inUse.add(this);
  }

  /** Gives the memory back; harmless when called twice. No thread may use it any more. */
  free(): void {
    HostArena.#inUse.delete(this);
    for (const free of this.#pieces.splice(0)) free();
  }

  #take(sizeBytes: number, wholeBytes: number): bigint {
    const Resizable = ArrayBuffer as unknown as ResizableConstructor;
    try {
      if (this.#card) {
        const memory = new StagingMemory(this.#card, sizeBytes);
        this.#pieces.push(() => memory.close());
        return memory.address;
      }
      const piece = new Resizable(sizeBytes, { maxByteLength: sizeBytes });
      this.#pieces.push(() => piece.resize(0));
      return addressOf(piece);
    } catch (cause) {
      this.free();
      throw new MoeError(
        `${wholeBytes} bytes of host memory for experts could not be allocated. ` +
          "Lower the budget of host memory.",
        { code: "HOST_MEMORY_UNAVAILABLE", sizeBytes: wholeBytes },
        { cause },
      );
    }
  }
}
