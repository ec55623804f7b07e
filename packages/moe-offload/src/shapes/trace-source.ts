import type { CpuShare, ExpertSource } from "../engine/interfaces.ts";
import type { Routing } from "../offload/routing.ts";
import type { TraceRouting } from "./trace-routing.ts";

/**
 * A source of experts that is told of a trace's routing in place of the engine's. It writes over
 * what the router said before it asks the source inside, so policy, predictor, slots and hooks see
 * the trace; the engine computes the trace's experts, weighted as its own router weighted its
 * choices, rank by rank.
 *
 * Never all-resident to the engine, even if the source inside is: a token as one graph would ask
 * nobody. What decides is who is asked, so compare with a run through this class as well.
 */
export class TraceSource implements ExpertSource {
  readonly #inner: ExpertSource;
  readonly #routing: TraceRouting;
  #sequence = -1;

  /** @param routing  of the model's shape */
  constructor(inner: ExpertSource, routing: TraceRouting) {
    this.#inner = inner;
    this.#routing = routing;
  }

  get readyFirst(): boolean {
    return this.#inner.readyFirst === true;
  }

  get cpuShare(): CpuShare | undefined {
    return this.#inner.cpuShare;
  }

  /**
   * The next token begins another sequence of the trace. A token at position 0 does so by itself;
   * tell of it where a prompt was evaluated without this source.
   *
   * @returns its number, for `TraceRouting.tokenAt`
   */
  nextSequence(): number {
    this.#sequence++;
    return this.#sequence;
  }

  request(routing: Routing, slots: Int32Array): void {
    const { layer, position } = routing;
    const isFirst = layer === this.#routing.trace.shape.moeLayers[0];
    if (this.#sequence < 0 || (position === 0 && isFirst)) this.nextSequence();
    this.#routing.overwrite(this.#routing.tokenAt(this.#sequence, position), routing);
    this.#inner.request(routing, slots);
  }

  lookAhead(): void {
    this.#inner.lookAhead?.();
  }

  isReady(index: number): boolean {
    return this.#inner.isReady(index);
  }

  waitFor(index: number): void {
    this.#inner.waitFor(index);
  }

  release(): void {
    this.#inner.release();
  }
}
