import { ExperimentError } from "@fmlab/experiment";
import { EXPERT_PARTS, type SlotPool } from "../engine/interfaces.ts";
import { MoeError } from "../errors.ts";
import type { ExpertContents } from "./expert-contents.ts";
import { ExpertFiles, ReadError } from "./expert-files.ts";
import { type ExpertRanges, expertTable } from "./expert-table.ts";

/** What is to be loaded before the first token. */
export interface FillRequest {
  readonly pool: SlotPool;
  readonly layout: ExpertRanges;
  /** Experts, `layer * expertCount + expert`, and the slot of each; -1 is left out. */
  readonly keys: readonly number[];
  readonly slots: Int32Array;
  /** Told which slots hold their experts now. */
  readonly lane: { adopt(slot: number): void } | undefined;
  readonly options: {
    readonly cancelFlag: Int32Array;
    readonly contents?: ExpertContents | undefined;
  };
}

/**
 * Reads experts into their slots at once, past all links: it belongs to loading the model, as do
 * its other weights.
 *
 * @throws MoeError `EXPERT_UNREADABLE`, ExperimentError `CANCELLED`
 */
export function fillSlots({ pool, layout, keys, slots, lane, options }: FillRequest): void {
  if (keys.length === 0) return;
  const { contents } = options;
  const files = contents ? undefined : openFiles(layout);
  try {
    keys.forEach((key, i) => {
      if (Atomics.load(options.cancelFlag, 0) !== 0) {
        throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
      }
      const slot = slots[i] ?? -1;
      if (slot === -1) return;
      EXPERT_PARTS.forEach((part, index) => {
        if (files) {
          pool.write(slot, part, files.read(key, index));
          return;
        }
        const bytes = new Uint8Array(pool.place(slot, part).sizeBytes);
        contents?.read(key, index, bytes);
        pool.write(slot, part, bytes);
      });
      lane?.adopt(slot);
    });
  } catch (error) {
    throw error instanceof ReadError ? unreadable(error) : error;
  } finally {
    files?.close();
  }
}

function openFiles(layout: ExpertRanges): ExpertFiles {
  try {
    return new ExpertFiles(expertTable(layout), "direct");
  } catch (error) {
    throw error instanceof ReadError ? unreadable(error) : error;
  }
}

function unreadable({ failure, cause }: ReadError): MoeError {
  const { expert, layer, offset, path, reason } = failure;
  return new MoeError(
    `${path}: expert ${expert} of layer ${layer} (byte ${offset}) cannot be read: ${reason}. ` +
      "Check the file and the disk, then start again.",
    { code: "EXPERT_UNREADABLE", ...failure },
    { cause },
  );
}
