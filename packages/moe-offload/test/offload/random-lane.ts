import type { Prng } from "@fmlab/sim";
import type { FinishedLoad, Lane, Urgency } from "../../src/offload/lane.ts";

interface Load {
  key: number;
  slot: number;
  urgency: Urgency;
  submittedMs: number;
  hasBegun: boolean;
}

/**
 * A lane on which loads begin and end in any order and at any time that the interface allows:
 * whoever relies on more than it promises goes wrong here. Judges its caller: a slot gets one load
 * at a time, and nobody writes a slot that is in use.
 */
export class RandomLane implements Lane {
  readonly #prng: Prng;
  readonly #load: (key: number, slot: number) => void;
  #loads: Load[] = [];
  #finished: FinishedLoad[] = [];
  #nowMs = 0;
  readonly #everSubmitted = new Set<number>();

  /** @param load  puts the expert's bytes into the slot */
  constructor(prng: Prng, load: (key: number, slot: number) => void) {
    this.#prng = prng;
    this.#load = load;
  }

  get pending(): number {
    return this.#loads.length;
  }

  get prefetchesPending(): number {
    return this.#loads.filter((load) => load.urgency === "prefetch").length;
  }

  nowMs(): number {
    this.#nowMs += 0.001;
    return this.#nowMs;
  }

  submit(key: number, slot: number, urgency: Urgency): void {
    if (this.#find(slot)) throw new Error(`slot ${slot} has a load already`);
    this.#everSubmitted.add(slot);
    this.#loads.push({ key, slot, urgency, submittedMs: this.nowMs(), hasBegun: false });
    this.#stir();
  }

  promote(slot: number): void {
    const load = this.#find(slot);
    if (load && !load.hasBegun) load.urgency = "demand";
  }

  withdraw(slot: number): boolean {
    const load = this.#find(slot);
    if (!load || load.hasBegun) return false;
    this.#loads = this.#loads.filter((other) => other !== load);
    this.#everSubmitted.delete(slot);
    return true;
  }

  isReady(slot: number): boolean {
    this.#stir();
    return this.#everSubmitted.has(slot) && !this.#find(slot);
  }

  waitFor(slot: number): void {
    for (let turn = 0; !this.isReady(slot); turn++) {
      const load = this.#find(slot);
      if (!load) throw new Error(`nothing was submitted for slot ${slot}`);
      if (turn > 3) this.#end(load);
    }
  }

  drain(take: (load: FinishedLoad) => void): void {
    const finished = this.#finished;
    this.#finished = [];
    for (const load of finished) take(load);
  }

  #find(slot: number): Load | undefined {
    return this.#loads.find((load) => load.slot === slot);
  }

  #stir(): void {
    for (const load of [...this.#loads]) {
      const fate = this.#prng.nextFloat();
      if (fate < 0.2) load.hasBegun = true;
      if (fate < 0.08) this.#end(load);
    }
  }

  #end(load: Load): void {
    this.#load(load.key, load.slot);
    this.#loads = this.#loads.filter((other) => other !== load);
    const { key, slot, submittedMs, urgency } = load;
    const endMs = this.nowMs();
    this.#finished.push({ key, slot, bytes: 1, urgency, submittedMs, startMs: submittedMs, endMs });
  }
}
