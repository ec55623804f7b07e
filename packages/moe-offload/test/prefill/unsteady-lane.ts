import type { GgufFile } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { EXPERT_PARTS, type SlotPool } from "../../src/engine/interfaces.ts";
import type { ExpertLayout } from "../../src/model/expert-layout.ts";
import type { FinishedLoad, Lane, Urgency } from "../../src/offload/lane.ts";

interface Load {
  key: number;
  slot: number;
  urgency: Urgency;
}

/**
 * A lane without threads whose transfers end at random moments, in the order that a lane promises:
 * demands first, each kind in the order asked for. Until a load has ended its slot holds bytes that
 * are no expert, so that computing too early shows.
 */
export class UnsteadyLane implements Lane {
  /** Called before a load's bytes are read; may throw, and the load ends the next time. */
  onRead: () => void = () => {};
  /** Loads in the order in which their transfers ended. */
  readonly log: FinishedLoad[] = [];
  #queue: Load[] = [];
  #running: Load | undefined;
  #ended: FinishedLoad[] = [];
  #isReady = new Map<number, boolean>();
  #timeMs = 0;
  readonly #random;

  /** @param haste  chance that the oldest load ends whenever the lane is asked something, 0..1 */
  constructor(
    readonly file: GgufFile,
    readonly layout: ExpertLayout,
    readonly pool: SlotPool,
    readonly haste: number,
    seed = 1,
  ) {
    this.#random = createPrng(seed, "lane");
  }

  nowMs(): number {
    return this.#timeMs;
  }

  get pending(): number {
    return this.#queue.length + (this.#running ? 1 : 0);
  }

  get prefetchesPending(): number {
    const all = this.#running ? [...this.#queue, this.#running] : this.#queue;
    return all.filter((load) => load.urgency === "prefetch").length;
  }

  submit(key: number, slot: number, urgency: Urgency): void {
    if (this.#isReady.get(slot) === false) throw new Error(`slot ${slot} waits for a load already`);
    for (const part of EXPERT_PARTS) this.pool.view(slot, part).fill(0xff);
    this.#isReady.set(slot, false);
    this.#queue.push({ key, slot, urgency });
    this.#mayMove();
  }

  promote(slot: number): void {
    const load = this.#queue.find((one) => one.slot === slot);
    if (!load || load.urgency === "demand") return;
    this.#queue.splice(this.#queue.indexOf(load), 1);
    this.#queue.push({ ...load, urgency: "demand" });
  }

  withdraw(slot: number): boolean {
    const at = this.#queue.findIndex((one) => one.slot === slot);
    if (at === -1) return false;
    this.#queue.splice(at, 1);
    this.#isReady.delete(slot);
    return true;
  }

  isReady(slot: number): boolean {
    this.#mayMove();
    return this.#isReady.get(slot) === true;
  }

  waitFor(slot: number): void {
    if (!this.#isReady.has(slot)) throw new Error(`nothing was submitted for slot ${slot}`);
    while (this.#isReady.get(slot) !== true) this.#move();
  }

  drain(take: (load: FinishedLoad) => void): void {
    const ended = this.#ended;
    this.#ended = [];
    for (const load of ended) take(load);
  }

  #mayMove(): void {
    if (this.#random.nextFloat() < this.haste) this.#move();
  }

  #move(): void {
    this.#timeMs++;
    const done = this.#running;
    if (done) {
      this.onRead();
      const layer = Math.floor(done.key / this.layout.expertCount);
      const expert = done.key % this.layout.expertCount;
      let bytes = 0;
      for (const part of EXPERT_PARTS) {
        const { offset, fileIndex, sizeBytes } = this.layout.range(layer, expert, part);
        this.file.read(offset, this.pool.view(done.slot, part), fileIndex);
        bytes += sizeBytes;
      }
      this.#isReady.set(done.slot, true);
      const times = { submittedMs: 0, startMs: this.#timeMs - 1, endMs: this.#timeMs };
      const ended = { ...done, bytes, ...times };
      this.#ended.push(ended);
      this.log.push(ended);
    }
    const first = this.#queue.findIndex((one) => one.urgency === "demand");
    const [next] = this.#queue.splice(Math.max(0, first), 1);
    this.#running = next;
  }
}
