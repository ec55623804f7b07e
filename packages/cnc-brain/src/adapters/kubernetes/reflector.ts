import type { Prng } from "@fmlab/sim";
import type { BrainMetrics } from "../brain-metrics.ts";
import { AdapterError } from "../errors.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { type KubeApi, type KubeResource, statusOf, type WatchLine } from "./kube-api.ts";

/** How a resource is followed. */
export interface ReflectorOptions {
  resource: KubeResource;
  /** A watch without a line for so long is taken to be dead; bookmarks come every minute. */
  idleMs: number;
  /** Wait after the first failure; it doubles up to `retryMaxMs`. */
  retryMs: number;
  retryMaxMs: number;
}

/** Who is told. */
export interface ReflectorSink {
  /** All there is; what is not in it is gone. */
  replace(items: readonly unknown[]): void;
  /** One object came, changed or went; what is no such object is left out. */
  apply(type: "ADDED" | "MODIFIED" | "DELETED", object: unknown): void;
}

/** What a reflector needs. */
export interface ReflectorParts {
  api: KubeApi;
  sink: ReflectorSink;
  metrics: BrainMetrics;
  time: Timekeeper;
  prng: Prng;
}

type WatchEnd = "closed" | "expired" | "idle" | "broken" | "unclear";

/**
 * Follows a resource for as long as it is wanted: a list, then a watch from its version on, again
 * and again. A watch that ends goes on where it was; a version that is too old (410), or a line
 * that is no event, leads to a new list, since something may have been missed.
 *
 * The client library's own informer is not used: an error other than 410 ends it, a malformed event
 * is an unhandled rejection there, and a watch that is silently dead stays so.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #parts: ReflectorParts;
  #version = "";
  #failures = 0;
  #synced = false;

  constructor(options: ReflectorOptions, parts: ReflectorParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Whether a list has been received at least once. */
  get isSynced(): boolean {
    return this.#synced;
  }

  /** Follows until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { resource } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#version === "") await this.#list(signal);
        const end = await this.#watch(signal);
        if (signal.aborted) return;
        this.#parts.metrics.watchEnds.inc({ resource, reason: end });
        if (end === "expired" || end === "unclear") this.#version = "";
        // What ends before it said anything is not asked again at once.
        if (this.#failures > 0) await this.#pause(0, signal);
      } catch (error) {
        if (signal.aborted) return;
        const status = statusOf(error);
        const reason = status === undefined ? "broken" : `status-${status}`;
        this.#parts.metrics.watchEnds.inc({ resource, reason });
        if (status === 410) this.#version = "";
        this.#failures++;
        await this.#pause(retryAfterOf(error), signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { api, sink } = this.#parts;
    const { items, resourceVersion } = await api.list(this.#options.resource, signal);
    sink.replace(items);
    this.#version = resourceVersion === "" ? "0" : resourceVersion;
    this.#synced = true;
  }

  async #watch(signal: AbortSignal): Promise<WatchEnd> {
    const { api } = this.#parts;
    const dead = new AbortController();
    const ended = new AbortController();
    const state: { end: WatchEnd; lines: number } = { end: "closed", lines: 0 };
    const onLine = (line: string) => {
      state.lines++;
      const end = this.#take(line);
      if (end === undefined) return;
      state.end = end;
      dead.abort();
    };
    this.#failures++;
    void this.#guard(state, dead, ended.signal);
    try {
      const both = AbortSignal.any([signal, dead.signal]);
      await api.watch(this.#options.resource, this.#version, onLine, both);
    } catch (error) {
      if (statusOf(error) !== undefined) {
        // Already counted above; `run` counts it again.
        this.#failures--;
        throw error;
      }
      if (!dead.signal.aborted) state.end = "broken";
    } finally {
      ended.abort();
    }
    if (state.lines > 0 && state.end !== "unclear") this.#failures = 0;
    return state.end;
  }

  /** Ends a watch that has gone silent. */
  async #guard(
    state: { end: WatchEnd; lines: number },
    dead: AbortController,
    ended: AbortSignal,
  ): Promise<void> {
    for (let seen = -1; !ended.aborted; ) {
      if (state.lines === seen) {
        state.end = "idle";
        dead.abort();
        return;
      }
      seen = state.lines;
      await this.#parts.time.sleep(this.#options.idleMs, ended);
    }
  }

  /** Takes one line; says if the watch is over by it, or is not to be trusted any more. */
  #take(line: string): "expired" | "unclear" | undefined {
    const { sink, metrics } = this.#parts;
    try {
      const { type, object } = JSON.parse(line) as Partial<WatchLine>;
      if (type === "ERROR") {
        const code = (object as { code?: unknown } | undefined)?.code;
        return code === 410 ? "expired" : "unclear";
      }
      if (type !== "BOOKMARK") {
        if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") {
          throw new Error(`no event type: ${JSON.stringify(type)}`);
        }
        sink.apply(type, object);
      }
      const { metadata } = object as { metadata?: { resourceVersion?: unknown } };
      if (typeof metadata?.resourceVersion === "string" && metadata.resourceVersion !== "") {
        this.#version = metadata.resourceVersion;
      }
      return undefined;
    } catch {
      metrics.malformed.inc({ source: `watch-${this.#options.resource}` });
      return "unclear";
    }
  }

  async #pause(atLeastMs: number, signal: AbortSignal): Promise<void> {
    const { retryMs, retryMaxMs } = this.#options;
    const backOffMs = Math.min(retryMaxMs, retryMs * 2 ** Math.min(20, this.#failures - 1));
    const jitter = 0.5 + this.#parts.prng.nextFloat();
    await this.#parts.time.sleep(Math.max(atLeastMs, backOffMs * jitter), signal);
  }
}

function retryAfterOf(error: unknown): number {
  const isApi = error instanceof AdapterError && error.failure.code === "API_FAILED";
  return isApi && error.failure.code === "API_FAILED" ? error.failure.retryAfterMs : 0;
}
