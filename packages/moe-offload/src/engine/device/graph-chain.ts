import { type Backend, type Graph, StreamEvent } from "@fmlab/ggml";
import type { DeviceMachine } from "./device-machine.ts";

/** A graph with the stream that it is launched in. */
export interface ChainedGraph {
  readonly graph: Graph;
  readonly backend: Backend;
  readonly done: StreamEvent;
}

/**
 * Graphs that are computed one after the other on a card, each in a stream of its own where the
 * card orders streams by events. CUDA's back end keeps the recorded launches of one graph a stream
 * and replays them while the graph stays the same; in one stream for all, each graph would push out
 * the recording of the one before, and every launch would be made anew.
 */
export class GraphChain {
  readonly #machine: DeviceMachine;
  readonly #owned: { close(): void }[] = [];
  readonly #entered: StreamEvent;
  #last: Pick<ChainedGraph, "backend" | "done"> | undefined;

  constructor(machine: DeviceMachine) {
    this.#machine = machine;
    this.#entered = new StreamEvent(machine.device);
    this.#owned.push(this.#entered);
  }

  /** Gives a graph its stream. */
  add(graph: Graph): ChainedGraph {
    const { backend: common, device } = this.#machine;
    const backend = device.capabilities.hasEvents ? device.open() : common;
    if (backend !== common) this.#owned.push(backend);
    const done = new StreamEvent(device);
    this.#owned.push(done);
    return { graph, backend, done };
  }

  /** A token begins: its graphs come after the inputs that were entered. */
  start(): void {
    const { backend } = this.#machine;
    this.#entered.record(backend);
    this.#last = { backend, done: this.#entered };
  }

  /** What is asked of the graph's stream from now on comes after the graph before. */
  enter(next: ChainedGraph): void {
    const last = this.#last;
    if (last && last.backend !== next.backend) last.done.delay(next.backend);
    this.#last = next;
  }

  /** Begins a graph whose stream was entered. */
  begin({ backend, done, graph }: ChainedGraph): void {
    backend.begin(graph);
    if (backend !== this.#machine.backend) done.record(backend);
  }

  /** Frees the streams; the card must be done with them. */
  close(): void {
    for (const one of this.#owned.splice(0).reverse()) one.close();
  }
}
