/** A link's speed. */
export interface LinkOptions {
  /** 1 MB/s = 1,000,000 bytes a second; 0 imposes no limit. */
  bandwidthMBps: number;
  /** Delay before the first byte of each transfer, microseconds. */
  latencyUs: number;
  /** Transfers that may be under way at once, at least 1: their latencies overlap. */
  queueDepth: number;
}

/** A link that imposes nothing. */
export const FREE_LINK: LinkOptions = { bandwidthMBps: 0, latencyUs: 0, queueDepth: 1 };

/** Numbers that describe the transfers on a link: one for its wire, one for each queue place. */
export function linkStateLength(options: LinkOptions): number {
  return 1 + options.queueDepth;
}

/**
 * When transfers on a link begin and end; a pure function of its state and of what is asked, so
 * that the real throttle and the replay in virtual time agree. In the order of the calls:
 *
 *     start = max(request, time when a queue place is free)
 *     end   = max(previous end, start + latency) + bytes / bandwidth
 *
 * Latencies overlap up to the queue depth, the bytes go one transfer after the other. The state may
 * lie in shared memory, guarded by a lock of the caller.
 */
export class LinkSchedule {
  readonly options: LinkOptions;
  /** Of the transfer begun last. */
  startMs = 0;
  /** Of the transfer begun last: when the link is done with it. */
  endMs = 0;
  /** `[0]`: when the wire is free; `[1 + place]`: when the place is. */
  readonly #state: Float64Array;

  /**
   * @param state  `[linkStateLength(options)]`, zeros for a link on which nothing was moved; times
   *               are at least 0
   */
  constructor(
    options: LinkOptions,
    state: Float64Array = new Float64Array(linkStateLength(options)),
  ) {
    this.options = options;
    this.#state = state;
  }

  /** Time one transfer takes on an idle link, ms. */
  durationMs(bytes: number): number {
    return this.options.latencyUs / 1e3 + this.#wireMs(bytes);
  }

  /** When a transfer could begin at the earliest. */
  freeMs(): number {
    return this.#state[this.#freePlace()] ?? 0;
  }

  /**
   * Begins a transfer that was ready to go at `requestMs`; `startMs` and `endMs` are then its own.
   *
   * @returns the queue place it takes, for `occupy`
   */
  begin(requestMs: number, bytes: number): number {
    const state = this.#state;
    const place = this.#freePlace();
    this.startMs = Math.max(requestMs, state[place] ?? 0);
    const dataMs = Math.max(state[0] ?? 0, this.startMs + this.options.latencyUs / 1e3);
    this.endMs = dataMs + this.#wireMs(bytes);
    state[0] = this.endMs;
    state[place] = this.endMs;
    return place;
  }

  /** The transfer in a place really ended later than the link allows: the place is free then. */
  occupy(place: number, untilMs: number): void {
    this.#state[place] = Math.max(this.#state[place] ?? 0, untilMs);
  }

  #wireMs(bytes: number): number {
    const { bandwidthMBps } = this.options;
    return bandwidthMBps > 0 ? bytes / (bandwidthMBps * 1e3) : 0;
  }

  #freePlace(): number {
    const state = this.#state;
    let best = 1;
    for (let place = 2; place < state.length; place++) {
      if ((state[place] ?? 0) < (state[best] ?? 0)) best = place;
    }
    return best;
  }
}
