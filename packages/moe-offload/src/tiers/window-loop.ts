import type { ExpertFiles } from "./expert-files.ts";
import { expertBytes, PART_COUNT } from "./expert-table.ts";
import { HOST } from "./host-directory.ts";
import { CONTROL, COUNTER, COUNTERS, type ReaderInput } from "./lane-memory.ts";
import { LinkGate } from "./link-gate.ts";
import type { ReaderHost } from "./reader-host.ts";
import { NAP_MS, type ReaderSignals } from "./reader-signals.ts";
import { SharedLock } from "./shared-lock.ts";

/**
 * Reads ahead into host memory: whatever of the window of layers is missing, nearest layer first,
 * over the same disk link as everybody.
 *
 * @see Klotski, ASPLOS'25, "adaptive tensor placement": the GPU fetches layer i+1 from host memory
 *      while layer i+L is read from disk and layer i is dropped
 */
export class WindowLoop {
  readonly #input: ReaderInput;
  readonly #host: ReaderHost;
  readonly #files: ExpertFiles;
  readonly #signals: ReaderSignals;
  readonly #disk: LinkGate;

  constructor(input: ReaderInput, host: ReaderHost, files: ExpertFiles, signals: ReaderSignals) {
    this.#input = input;
    this.#host = host;
    this.#files = files;
    this.#signals = signals;
    const lock = new SharedLock(input.memory.control, CONTROL.linkLock);
    this.#disk = new LinkGate(input.disk, input.memory.diskLink, lock);
  }

  /** Reads ahead until the thread is to leave. @throws ReadError */
  run(): void {
    const { control } = this.#input.memory;
    while (this.#signals.mayGoOn) {
      this.#signals.beat();
      const rank = Atomics.load(control, CONTROL.layerRank);
      const key = this.#firstMissing(rank);
      if (key !== undefined && this.#fetch(key)) continue;
      // Nothing is missing, or all places are held: another layer or a while later may help.
      Atomics.wait(control, CONTROL.layerRank, rank, NAP_MS);
    }
  }

  #firstMissing(rank: number): number | undefined {
    const { expertCount, moeLayers } = this.#input.table;
    const layers = this.#input.host?.windowLayers ?? 0;
    for (let ahead = 0; ahead < layers; ahead++) {
      const layer = moeLayers[(rank + ahead) % moeLayers.length] ?? 0;
      for (let key = layer * expertCount; key < (layer + 1) * expertCount; key++) {
        if (!this.#host.has(key)) return key;
      }
    }
    return undefined;
  }

  /** False when there was no place for it, or the thread is to leave. */
  #fetch(key: number): boolean {
    const host = this.#host;
    const found = host.ask(key);
    const { slot } = host;
    if (found === HOST.hit) host.letGo(slot);
    if (found !== HOST.fill) return found === HOST.hit;
    const bytes = expertBytes(this.#input.table, key);
    const nowMs = this.#signals.nowMs();
    this.#disk.begin(nowMs, nowMs, bytes);
    let offset = 0;
    for (let part = 0; part < PART_COUNT; part++) {
      const read = this.#files.read(key, part);
      host.put(slot, offset, read);
      offset += read.length;
    }
    this.#disk.moved(this.#signals.nowMs());
    const isDone = this.#signals.waitUntil(this.#disk.endMs);
    if (isDone) host.filled(slot);
    this.#count(bytes);
    return isDone;
  }

  #count(bytes: number): void {
    const { memory, index } = this.#input;
    const at = index * COUNTERS;
    memory.counters[at + COUNTER.diskBytes] =
      (memory.counters[at + COUNTER.diskBytes] ?? 0) + bytes;
    memory.counters[at + COUNTER.fetchedBytes] = this.#files.fetchedBytes;
  }
}
