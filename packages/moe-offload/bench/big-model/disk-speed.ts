import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createPrng } from "@fmlab/sim";

/** One way of reading a file past the page cache. */
export interface ReadPattern {
  readonly order: "sequential" | "random";
  readonly bytes: number;
  /** Threads that read at the same time. */
  readonly depth: number;
}

/** What it gave. */
export interface DiskSpeed extends ReadPattern {
  readonly mbPerSecond: number;
}

interface Job extends ReadPattern {
  readonly path: string;
  readonly seed: number;
  readonly forMs: number;
}

const ALIGNMENT = 4096;

/** Reads a file for a while past the page cache (O_DIRECT). */
export async function measureDisk(path: string, pattern: ReadPattern, forMs = 400) {
  const jobs = Array.from({ length: pattern.depth }, (_, seed): Job => {
    return { ...pattern, path, seed, forMs };
  });
  const rates = await Promise.all(jobs.map(run));
  return { ...pattern, mbPerSecond: rates.reduce((a, b) => a + b, 0) / 1e6 } as DiskSpeed;
}

function run(job: Job): Promise<number> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./disk-speed.mjs", import.meta.url), {
      workerData: job,
      execArgv: [],
    });
    worker.on("message", resolve);
    worker.on("error", reject);
  });
}

/** Bytes a second that this thread reads. */
function read({ bytes, forMs, order, path, seed }: Job): number {
  const fd = openSync(path, constants.O_RDONLY | (constants.O_DIRECT ?? 0));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65_536) });
  const buffer = new Uint8Array(memory.buffer, 0, bytes);
  const places = Math.floor(fstatSync(fd).size / bytes);
  const prng = createPrng(seed, "disk");
  let place = prng.nextInt(places);
  let done = 0;
  const startMs = performance.now();
  let nowMs = startMs;
  for (; nowMs < startMs + forMs; nowMs = performance.now()) {
    place = order === "random" ? prng.nextInt(places) : (place + 1) % places;
    const offset = Math.floor((place * bytes) / ALIGNMENT) * ALIGNMENT;
    done += readSync(fd, buffer, 0, bytes, offset);
  }
  closeSync(fd);
  return done / ((nowMs - startMs) / 1e3);
}

if (!isMainThread && workerData !== undefined) parentPort?.postMessage(read(workerData as Job));
