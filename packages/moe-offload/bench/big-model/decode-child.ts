/** A process of its own that decodes one job with one engine and prints what it measured. */
import { readFileSync } from "node:fs";
import { openGguf } from "@fmlab/ggml";
import { STRATEGIES } from "../../src/offload/strategies.ts";
import { LlamaCpp } from "../../test/engine/llama-cpp.ts";
import type { DecodeJob, DecodeOutcome } from "./decode-job.ts";
import { calibrationOf, layoutOf, openFromDisk } from "./open-models.ts";

/** One of the two engines, opened. */
interface Decoder {
  readonly vocabulary: number;
  decode(token: number): Float32Array;
  /** The warm-up is over. */
  begin(): void;
  /** What it tells of the tokens since. */
  end(elapsedMs: number): DecodeOutcome["offload"];
  close(): void;
}

function openLlama(job: DecodeJob): Decoder {
  const { vocabulary } = job;
  // Rearranged weights are copies in memory of all experts: the limit would end the process.
  const llama = new LlamaCpp(job.modelPath, vocabulary, {
    threads: job.threads,
    contextLength: contextOf(job),
    repack: false,
  });
  return {
    vocabulary,
    decode: (token) => llama.evaluateOne(token),
    begin: () => {},
    end: () => undefined,
    close: () => llama.close(),
  };
}

function openOurs(job: DecodeJob): Decoder {
  if (job.engine === "llama.cpp") throw new Error("llama.cpp has no strategy");
  const file = openGguf(job.modelPath);
  const layout = layoutOf(file);
  const contextLength = contextOf(job);
  const { threads } = job;
  const { calibration } = calibrationOf(file, layout, { tokens: 0, threads, contextLength });
  const options = { ...job, contextLength, strategy: STRATEGIES[job.engine] };
  const model = openFromDisk(file, layout, options, calibration);
  file.close();
  const { engine, lane, memory, scheduler } = model;
  let before = { ...scheduler.counts };
  return {
    vocabulary: engine.vocabularySize,
    decode: (token) => engine.decode(token),
    begin: () => {
      before = { ...scheduler.counts };
    },
    end: (elapsedMs) => {
      const { hits, lateHits, stallMs, uses } = scheduler.counts;
      return {
        hitRate: (hits - before.hits) / (uses - before.uses),
        lateHitRate: (lateHits - before.lateHits) / (uses - before.uses),
        waitShare: (stallMs - before.stallMs) / elapsedMs,
        slots: memory.slotsOfClass.reduce((a, b) => a + b, 0),
        readMode: lane?.readMode ?? "none",
      };
    },
    close: () => model.close(),
  };
}

function contextOf({ tokens, warmUp }: DecodeJob): number {
  return Math.ceil((tokens.length + warmUp.length) / 256) * 256;
}

function diskBytes(): number {
  return Number(/^read_bytes: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1] ?? 0);
}

function run(job: DecodeJob): DecodeOutcome {
  const openedMs = performance.now();
  const decoder = job.engine === "llama.cpp" ? openLlama(job) : openOurs(job);
  const openMs = performance.now() - openedMs;
  for (const token of job.warmUp) decoder.decode(token);
  const kept = new Float32Array(job.logitsOf * decoder.vocabulary);
  const firstKept = job.tokens.length - job.logitsOf;
  decoder.begin();
  const before = { bytes: diskBytes(), usage: process.resourceUsage() };
  const startMs = performance.now();
  job.tokens.forEach((token, i) => {
    const logits = decoder.decode(token);
    if (i >= firstKept) kept.set(logits, (i - firstKept) * logits.length);
  });
  const elapsedMs = performance.now() - startMs;
  const usage = process.resourceUsage();
  const busyUs =
    usage.userCPUTime + usage.systemCPUTime - before.usage.userCPUTime - before.usage.systemCPUTime;
  const offload = decoder.end(elapsedMs);
  const outcome = {
    openMs,
    elapsedMs,
    tokensPerSecond: (job.tokens.length / elapsedMs) * 1e3,
    diskBytes: diskBytes() - before.bytes,
    majorFaults: usage.majorPageFault - before.usage.majorPageFault,
    processorShare: busyUs / 1e3 / elapsedMs,
    residentBytesMax: usage.maxRSS * 1024,
    logits: Buffer.from(kept.buffer).toString("base64"),
    ...(offload && { offload }),
  };
  decoder.close();
  return outcome;
}

const job = JSON.parse(process.argv[2] ?? "{}") as DecodeJob;
process.stdout.write(`${JSON.stringify(run(job))}\n`);
