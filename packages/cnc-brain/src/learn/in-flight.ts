/** A container that is at work: where, and when it is expected to be free. */
export interface Flight {
  node: number;
  endMs: number;
}

/**
 * When containers of each function are expected to come free, from what was sent where. Nobody
 * tells when a request really ends: one that is overdue is not waited for any longer.
 */
export class InFlight {
  readonly #byFunction = new Map<number, readonly Flight[]>();

  /** A request was sent. */
  add(functionIndex: number, flight: Flight): void {
    const flights = this.#byFunction.get(functionIndex) ?? [];
    const after = flights.findIndex(({ endMs }) => endMs > flight.endMs);
    const at = after < 0 ? flights.length : after;
    this.#byFunction.set(functionIndex, [...flights.slice(0, at), flight, ...flights.slice(at)]);
  }

  /** The one that is expected to end as the `place`-th from now on, from 0; undefined: none is. */
  next(functionIndex: number, nowMs: number, place: number): Flight | undefined {
    const flights = this.#byFunction.get(functionIndex);
    if (flights === undefined) return undefined;
    const due = flights.findIndex(({ endMs }) => endMs > nowMs);
    if (due > 0) this.#byFunction.set(functionIndex, flights.slice(due));
    if (due < 0) this.#byFunction.delete(functionIndex);
    return due < 0 ? undefined : flights[due + place];
  }

  /** Becomes the same as another. */
  copyFrom(other: InFlight): void {
    this.#byFunction.clear();
    for (const [kind, flights] of other.#byFunction) this.#byFunction.set(kind, flights);
  }
}
