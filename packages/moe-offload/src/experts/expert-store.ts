import { EXPERT_PARTS, type SlotPool } from "../engine/interfaces.ts";
import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { AlignedReader, type ReadMode } from "./aligned-reader.ts";

/** Experts as they lie on disk: reads one into a slot of the pool. */
export class ExpertStore {
  readonly layout: ExpertLayout;
  /** Expert bytes delivered so far, without what alignment adds. */
  deliveredBytes = 0;
  #path: string;
  #reader: AlignedReader;

  /**
   * Opens the model file for reading experts.
   *
   * @throws MoeError `EXPERT_UNREADABLE`
   */
  constructor(path: string, layout: ExpertLayout, preferred: ReadMode = "direct") {
    this.layout = layout;
    this.#path = path;
    const largest = Math.max(...layout.parts.map((part) => part.sizeBytes));
    try {
      this.#reader = new AlignedReader(path, largest, preferred);
    } catch (cause) {
      throw unreadable(path, { layer: 0, expert: 0, offset: 0 }, reasonOf(cause), cause);
    }
  }

  get readMode(): ReadMode {
    return this.#reader.mode;
  }

  /** Bytes asked of the file system so far. */
  get fetchedBytes(): number {
    return this.#reader.fetchedBytes;
  }

  /**
   * Reads the three matrices of an expert from disk and copies them into a slot.
   *
   * @throws MoeError `EXPERT_UNREADABLE` when the file cannot be read or has become shorter
   */
  load(layer: number, expert: number, pool: SlotPool, slot: number): void {
    for (const part of EXPERT_PARTS) {
      const { offset, sizeBytes } = this.layout.range(layer, expert, part);
      const place = { layer, expert, offset };
      let bytes: Uint8Array;
      try {
        bytes = this.#reader.read(offset, sizeBytes);
      } catch (cause) {
        throw unreadable(this.#path, place, reasonOf(cause), cause);
      }
      if (bytes.length !== sizeBytes) {
        const reason = `only ${bytes.length} of ${sizeBytes} bytes came; the file is cut short`;
        throw unreadable(this.#path, place, reason);
      }
      pool.view(slot, part).set(bytes);
      this.deliveredBytes += sizeBytes;
    }
  }

  /** Frees the file handle. */
  close(): void {
    this.#reader.close();
  }
}

function unreadable(
  path: string,
  place: { layer: number; expert: number; offset: number },
  reason: string,
  cause?: unknown,
): MoeError {
  return new MoeError(
    `${path}: expert ${place.expert} of layer ${place.layer} (byte ${place.offset}) cannot be ` +
      `read: ${reason}. Check the file and the disk, then start again.`,
    { code: "EXPERT_UNREADABLE", path, ...place, reason },
    { cause },
  );
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
