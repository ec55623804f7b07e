import { createPrng, type Prng } from "@fmlab/sim";
import type { DecodeJob, DecodeOutcome } from "./decode-job.ts";
import { DIALS, QWEN15_MOE } from "./design.ts";
import { LoopDevice } from "./loop-device.ts";
import type { MemoryGroup } from "./memory-group.ts";
import { dropFromPageCache } from "./page-cache.ts";
import { runChild } from "./run-child.ts";
import { Language } from "./text.ts";

/** An engine and how it runs. */
export interface Contender {
  readonly engine: DecodeJob["engine"];
  readonly threads: number;
  /** KiB that a page fault reads; undefined: as the disk is set. Matters to mmap alone. */
  readonly readAheadKib?: number;
}

/** What one contender's process measured. */
export interface RaceOutcome extends DecodeOutcome {
  /** Most memory its group used, page cache included. */
  readonly peakBytes: number;
}

/** What is the same for all runs. */
export interface RaceTrack {
  readonly modelPath: string;
  readonly fileBytes: number;
  readonly group: MemoryGroup;
  readonly budgetBytes: number;
  readonly queueDepth: number;
  /** Block devices that were opened, for whoever ends the benchmark. */
  readonly devices: Set<LoopDevice>;
}

/** Share of a file's pages that may be cached at the start: what others look at meanwhile. */
const CACHED_SHARE_MAX = 0.001;

/** Its name in reports. */
export function nameOf({ engine, readAheadKib, threads }: Contender): string {
  const name = engine === "llama.cpp" ? engine : `fmlab ${engine}`;
  const ahead = readAheadKib === undefined ? "" : `, read-ahead ${readAheadKib} KiB`;
  return `${name}, ${threads} thread${threads > 1 ? "s" : ""}${ahead}`;
}

/** A text for one round, warm-up first. */
export function textOf(round: string, tokens: number, seed: number): number[] {
  const prng: Prng = createPrng(seed, `race ${round}`);
  return [...new Language(DIALS, QWEN15_MOE.vocabulary).write(prng, tokens)];
}

/**
 * Runs one contender in a process of its own under the limit, the file not in the page cache.
 *
 * @param size  tokens of the text that warm up, and at the end of it those whose logits are kept
 * @returns a reason in words when it cannot run on this machine
 */
export async function runContender(
  track: RaceTrack,
  contender: Contender,
  text: readonly number[],
  size: { warmUp: number; logitsOf: number },
): Promise<RaceOutcome | string> {
  const { devices, fileBytes, group } = track;
  const { readAheadKib } = contender;
  const device =
    readAheadKib === undefined ? undefined : LoopDevice.open(track.modelPath, readAheadKib);
  if (typeof device === "string") return device;
  if (device) devices.add(device);
  try {
    const modelPath = device?.path ?? track.modelPath;
    group.empty();
    const cached = Math.max(
      dropFromPageCache(track.modelPath, fileBytes),
      dropFromPageCache(modelPath, fileBytes),
    );
    if (cached > CACHED_SHARE_MAX) throw new Error(`${100 * cached} % of the file stay cached`);
    const job: DecodeJob = {
      modelPath,
      engine: contender.engine,
      threads: contender.threads,
      vocabulary: QWEN15_MOE.vocabulary,
      warmUp: text.slice(0, size.warmUp),
      tokens: text.slice(size.warmUp),
      logitsOf: size.logitsOf,
      budgetBytes: track.budgetBytes,
      queueDepth: track.queueDepth,
    };
    const outcome = await runChild<DecodeOutcome>("./decode-child.ts", job, { group });
    return { ...outcome, peakBytes: group.peakBytes };
  } finally {
    device?.close();
    if (device) devices.delete(device);
  }
}
