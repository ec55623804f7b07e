import type { ExpertFiles } from "./expert-files.ts";
import { PART_COUNT } from "./expert-table.ts";
import { HOST, HostDirectory } from "./host-directory.ts";
import { type HostRules, hostRules } from "./host-rules.ts";
import type { HostTierPlan } from "./host-tier.ts";
import { CONTROL, type ReaderInput } from "./lane-memory.ts";
import { NativeMemory } from "./native-memory.ts";
import { NAP_MS, type ReaderSignals } from "./reader-signals.ts";

/** Host memory as one reading thread uses it. */
export class ReaderHost {
  readonly #input: ReaderInput;
  readonly #plan: HostTierPlan;
  readonly #files: ExpertFiles;
  readonly #signals: ReaderSignals;
  readonly #memory: NativeMemory;
  readonly #directory: HostDirectory;
  readonly #rules: HostRules;

  constructor(input: ReaderInput, plan: HostTierPlan, files: ExpertFiles, signals: ReaderSignals) {
    this.#input = input;
    this.#plan = plan;
    this.#files = files;
    this.#signals = signals;
    this.#memory = new NativeMemory(plan.map);
    this.#directory = new HostDirectory(plan.directory, plan.slotCount);
    const { control } = input.memory;
    this.#rules = hostRules(plan.mode, input.table, plan.windowLayers, () =>
      Atomics.load(control, CONTROL.layerRank),
    );
  }

  /** The place of the expert when `ask` said that there is one. */
  get slot(): number {
    return this.#directory.slot;
  }

  /**
   * Looks for an expert, and waits while another thread fetches it.
   *
   * @returns `hit` or `fill` with `slot` held; `miss`; or `filling` when the thread is to leave
   */
  ask(key: number): number {
    for (;;) {
      const found = this.#directory.ask(key, this.#rules.keeps(key), this.#rules.mayLeave);
      if (found !== HOST.filling || !this.#signals.mayGoOn) return found;
      this.#signals.beat();
      this.#directory.waitFilled(this.#directory.slot, NAP_MS);
    }
  }

  /** True when the expert is there or on its way. */
  has(key: number): boolean {
    return this.#directory.has(key);
  }

  /** Copies one part from disk's buffer to a place. */
  put(slot: number, partOffset: number, bytes: Uint8Array): void {
    this.#memory.bytes(slot, partOffset, bytes.length).set(bytes);
  }

  /** One part in a place. */
  part(slot: number, partOffset: number, sizeBytes: number): Uint8Array {
    return this.#memory.bytes(slot, partOffset, sizeBytes);
  }

  /** The place is complete and no longer held. */
  filled(slot: number): void {
    this.#directory.filled(slot);
    this.#directory.release(slot);
  }

  /** The place is no longer held. */
  letGo(slot: number): void {
    this.#directory.release(slot);
  }

  /**
   * Shares the loading of the first experts with the other threads, past all links. Returns when
   * all are there: an entry that another thread has taken may not be in the directory yet.
   */
  preload(): void {
    const { control } = this.#input.memory;
    const { preload } = this.#plan;
    while (this.#signals.mayGoOn) {
      const next = Atomics.add(control, CONTROL.preloaded, 1);
      if (next >= preload.length) break;
      this.#signals.beat();
      this.#preloadOne(preload[next] ?? 0);
      Atomics.add(control, CONTROL.preloadDone, 1);
      Atomics.notify(control, CONTROL.preloadDone);
    }
    while (this.#signals.mayGoOn) {
      const done = Atomics.load(control, CONTROL.preloadDone);
      if (done >= preload.length) return;
      this.#signals.beat();
      Atomics.wait(control, CONTROL.preloadDone, done, NAP_MS);
    }
  }

  #preloadOne(key: number): void {
    const found = this.#directory.ask(key, true, () => false);
    const { slot } = this.#directory;
    // In memory that another lane shares it may be there already.
    if (found === HOST.hit) this.letGo(slot);
    if (found !== HOST.fill) return;
    this.#readInto(slot, key);
    this.filled(slot);
  }

  /** Reads an expert from disk into a place that the caller holds. */
  #readInto(slot: number, key: number): void {
    let offset = 0;
    for (let part = 0; part < PART_COUNT; part++) {
      const bytes = this.#files.read(key, part);
      this.put(slot, offset, bytes);
      offset += bytes.length;
    }
  }

  /** Lets go of the memory. */
  release(): void {
    this.#memory.release();
  }
}
