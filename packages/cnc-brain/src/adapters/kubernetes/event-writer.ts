import type { CoreV1Event } from "@kubernetes/client-node";
import type { BrainMetrics } from "../brain-metrics.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { KubeApi } from "./kube-api.ts";
import type { PodObject } from "./objects.ts";

/** Events beyond this are dropped: they are remarks, and must not hold up bindings. */
const WAITING_MAX = 5_000;
const WRITERS = 8;

/** Writes events about pods, a few at a time; failures to write are counted and forgotten. */
export class EventWriter {
  readonly #api: KubeApi;
  readonly #time: Timekeeper;
  readonly #metrics: BrainMetrics;
  readonly #component: string;
  readonly #waiting: { namespace: string; event: CoreV1Event }[] = [];
  readonly #writers = new Set<Promise<void>>();
  #count = 0;

  constructor(component: string, parts: { api: KubeApi; time: Timekeeper; metrics: BrainMetrics }) {
    this.#component = component;
    this.#api = parts.api;
    this.#time = parts.time;
    this.#metrics = parts.metrics;
  }

  /** Tells of a pod, at once or later. */
  tell(pod: PodObject, type: "Normal" | "Warning", reason: string, message: string): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#metrics.malformed.inc({ source: "events-dropped" });
      return;
    }
    const { namespace } = pod.metadata;
    this.#waiting.push({ namespace, event: this.#event(pod, type, reason, message) });
    if (this.#writers.size < WRITERS) {
      const writer = this.#write().finally(() => this.#writers.delete(writer));
      this.#writers.add(writer);
    }
  }

  /** Until everything told has been written. */
  async flush(): Promise<void> {
    while (this.#writers.size > 0) await Promise.all(this.#writers);
  }

  async #write(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      try {
        await this.#api.createEvent(next.namespace, next.event);
      } catch {
        this.#metrics.malformed.inc({ source: "events-refused" });
      }
    }
  }

  #event(
    { metadata }: PodObject,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
  ): CoreV1Event {
    const wallMs = this.#time.wallMs();
    const at = new Date(wallMs);
    const { name, namespace, uid, resourceVersion } = metadata;
    // Unique by time and count, as the reference recorder's names are by time.
    const suffix = `${Math.floor(wallMs * 1000).toString(16)}${(this.#count++).toString(16)}`;
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${name.slice(0, 200)}.${suffix}`, namespace },
      involvedObject: { apiVersion: "v1", kind: "Pod", name, namespace, uid, resourceVersion },
      type,
      reason,
      message: message.slice(0, 1024),
      source: { component: this.#component },
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
      action: "Binding",
      reportingComponent: this.#component,
      reportingInstance: this.#component,
    };
  }
}
