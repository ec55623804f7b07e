import { checkLink } from "../tiers/link.ts";
import { type LinkOptions, LinkSchedule } from "../tiers/link-schedule.ts";

/** One transfer on its way. */
export interface Flight {
  readonly slot: number;
  readonly endMs: number;
}

/**
 * A link that carries the loads of slots in virtual time: demands before prefetches, each in the
 * order asked for, none interrupted. When transfers begin and end is `LinkSchedule`'s, as on real
 * links.
 */
export class VirtualLink {
  readonly #schedule: LinkSchedule;
  readonly #demands: number[] = [];
  readonly #prefetches: number[] = [];
  /** Under way, in order of ending. */
  readonly #flights: Flight[] = [];
  #busyMs = 0;
  #busyUntilMs = 0;

  /**
   * @param name  what the link is called in messages
   * @throws MoeError `BAD_SETTING`
   */
  constructor(name: string, options: LinkOptions) {
    checkLink(name, options);
    this.#schedule = new LinkSchedule(options);
  }

  /** Milliseconds in which a transfer was under way, of those begun so far. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** When the next transfer ends; infinite when none is under way. */
  get nextEndMs(): number {
    return this.#flights[0]?.endMs ?? Number.POSITIVE_INFINITY;
  }

  /** Appends a slot to the queue of its kind. */
  push(slot: number, isDemand: boolean): void {
    (isDemand ? this.#demands : this.#prefetches).push(slot);
  }

  /** Moves a queued prefetch to the end of the demands; false when it is not queued here. */
  promote(slot: number): boolean {
    if (!remove(this.#prefetches, slot)) return false;
    this.#demands.push(slot);
    return true;
  }

  /** Takes a queued slot out; false when it is not queued here. */
  withdraw(slot: number): boolean {
    return remove(this.#prefetches, slot) || remove(this.#demands, slot);
  }

  /**
   * Begins what the queue depth allows.
   *
   * @param bytesOf  bytes of the load queued for a slot
   * @param begun    told of each slot whose transfer begins
   */
  begin(nowMs: number, bytesOf: (slot: number) => number, begun: (slot: number) => void): void {
    const schedule = this.#schedule;
    while (this.#flights.length < schedule.options.queueDepth) {
      const slot = this.#demands.shift() ?? this.#prefetches.shift();
      if (slot === undefined) return;
      schedule.begin(nowMs, bytesOf(slot));
      const { endMs } = schedule;
      this.#busyMs += endMs - Math.max(nowMs, this.#busyUntilMs);
      this.#busyUntilMs = endMs;
      this.#flights.push({ slot, endMs });
      begun(slot);
    }
  }

  /** Takes the transfer that ends next. */
  end(): Flight | undefined {
    return this.#flights.shift();
  }
}

function remove(queue: number[], slot: number): boolean {
  const at = queue.indexOf(slot);
  if (at !== -1) queue.splice(at, 1);
  return at !== -1;
}
