import { setImmediate as yieldToEvents } from "node:timers/promises";
import type { Prng } from "@fmlab/sim";
import type { Brain, Verdict } from "../brain.ts";
import type { BrainMetrics } from "../brain-metrics.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { metadataText, nodeSink } from "./cluster-follower.ts";
import { EventWriter } from "./event-writer.ts";
import { type PodNeeds, tellReasons, whyInfeasible } from "./feasibility.ts";
import type { KubeApi } from "./kube-api.ts";
import type { KubeCluster } from "./kube-cluster.ts";
import { LeaderLease, type LeaseOptions } from "./leader-lease.ts";
import { readPod } from "./objects.ts";
import { type BindResult, PodBinder } from "./pod-binder.ts";
import { hostPortsOf, isOver, labelOf, requestsOf, unsupportedOf } from "./pod-facts.ts";
import { type BackOff, PodQueue, type QueuedPod } from "./pod-queue.ts";
import { Reflector, type ReflectorOptions, type ReflectorSink } from "./reflector.ts";

/** How a scheduler runs. */
export interface KubeSchedulerOptions {
  /** Pods whose spec.schedulerName is this are ours. */
  schedulerName: string;
  lease: LeaseOptions;
  /** Bindings under way at a time; decisions are made one after another. */
  bindingsMax: number;
  backOff: BackOff;
  watch: Pick<ReflectorOptions, "idleMs" | "retryMs" | "retryMaxMs">;
  /** How long a stop waits for bindings under way. */
  stopGraceMs: number;
}

/** What a scheduler needs. */
export interface KubeSchedulerParts {
  api: KubeApi;
  brain: Brain;
  cluster: KubeCluster;
  metrics: BrainMetrics;
  time: Timekeeper;
  prng: Prng;
}

/**
 * A Kubernetes scheduler: pods that name it are decided one after another on a view that counts
 * what is being bound, and bound several at a time, while this process holds the lease.
 *
 * No pod is bound twice: it waits once in the queue or is being bound, never both; after that only
 * the API can say that it has no node; a binding that nothing answered is repeated to the same node
 * only; and whoever does not hold the lease binds nothing.
 */
export class KubeScheduler {
  readonly #options: KubeSchedulerOptions;
  readonly #parts: KubeSchedulerParts;
  readonly #queue: PodQueue;
  readonly #binding = new Map<string, QueuedPod>();
  /** Pods of ours that have a node, which is for good: news that they have none are old. */
  readonly #bound = new Set<string>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #binder: PodBinder;
  readonly #events: EventWriter;
  readonly #lease: LeaderLease;
  readonly #reflectors: Reflector[];
  #attempts = 0;
  readonly #giveUp = new AbortController();
  #wake = new AbortController();

  constructor(options: KubeSchedulerOptions, parts: KubeSchedulerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#queue = new PodQueue(options.backOff);
    this.#binder = new PodBinder({ ...parts, retryMs: options.watch.retryMs });
    this.#events = new EventWriter(options.schedulerName, parts);
    this.#lease = new LeaderLease(options.lease, parts);
    this.#reflectors = [
      new Reflector(
        { resource: "nodes", ...options.watch },
        {
          ...parts,
          sink: nodeSink(parts.cluster, parts.metrics, () => this.#onNodes()),
          prng: parts.prng.fork("nodes"),
        },
      ),
      new Reflector(
        { resource: "pods", ...options.watch },
        { ...parts, sink: this.#podSink(), prng: parts.prng.fork("pods") },
      ),
    ];
  }

  /** Whether the cluster is known and this process leads: what a readiness probe asks. */
  get isReady(): boolean {
    return this.#lease.isHeld && this.#reflectors.every(({ isSynced }) => isSynced);
  }

  /** Schedules until the signal is aborted, then finishes what is being bound; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const poke = () => this.#poke();
    signal.addEventListener("abort", poke, { once: true });
    // Followers and election go on until the last binding has ended.
    const rest = new AbortController();
    const followers = [
      ...this.#reflectors.map((one) => one.run(rest.signal)),
      this.#lease.run(rest.signal, poke),
    ];
    while (!signal.aborted) {
      if (!(await this.#step())) await this.#pause();
    }
    const isDone = await this.#finish();
    rest.abort();
    await Promise.all(followers);
    // What was given up may still arrive: then the lease has to lapse by itself.
    if (isDone) await this.#lease.release();
    signal.removeEventListener("abort", poke);
  }

  /** Waits for what is under way; false when that took too long and was given up. */
  async #finish(): Promise<boolean> {
    const done = new AbortController();
    const work = Promise.all(this.#tasks).then(() => this.#events.flush());
    void this.#parts.time.sleep(this.#options.stopGraceMs, done.signal).then(() => {
      if (!done.signal.aborted) this.#giveUp.abort();
    });
    await work;
    done.abort();
    return !this.#giveUp.signal.aborted;
  }

  /** Tries one pod; false when there is nothing to do now. */
  async #step(): Promise<boolean> {
    if (!this.isReady || this.#tasks.size >= this.#options.bindingsMax) return false;
    const entry = this.#queue.take(this.#parts.time.nowMs());
    this.#parts.metrics.pending.set(this.#queue.size);
    if (entry === undefined) return false;
    this.#attempt(entry);
    // Answers and watch lines come in between decisions.
    if (++this.#attempts % 16 === 0) await yieldToEvents();
    return true;
  }

  /** Until something happens, which a stop is too. */
  async #pause(): Promise<void> {
    const waitMs = this.#queue.nextAtMs() - this.#parts.time.nowMs();
    const idleMs = Math.min(Math.max(1, waitMs), this.#options.lease.retryMs);
    await this.#parts.time.sleep(idleMs, this.#wake.signal);
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }

  #poke(): void {
    this.#wake.abort();
  }

  #attempt(entry: QueuedPod): void {
    const { cluster, time } = this.#parts;
    const { pod, pinnedTo } = entry;
    if (pinnedTo !== undefined && cluster.node(pinnedTo) !== undefined) {
      this.#bind(entry, pinnedTo);
      return;
    }
    const unsupported = unsupportedOf(pod);
    if (unsupported.length > 0) {
      const list = unsupported.join(", ");
      this.#fail(entry, `${this.#options.schedulerName} does not place pods with ${list}`, true);
      return;
    }
    const verdict = this.#decide(entry);
    if (verdict.kind === "placed") {
      const model = cluster.model(time.nowMs());
      const node = model.view.node(verdict.nodes[0] as number).name;
      cluster.place(pod, node, true);
      this.#bind(entry, node);
      return;
    }
    this.#fail(entry, this.#tell(verdict), verdict.kind !== "queued");
  }

  #decide({ pod, order, sinceMs, attempts }: QueuedPod): Verdict {
    const { cluster, brain, time } = this.#parts;
    cluster.forgetOldKinds();
    const place = cluster.placeOf(pod);
    const model = cluster.model(time.nowMs());
    const needs: PodNeeds = { pod, requests: requestsOf(pod), hostPorts: hostPortsOf(pod) };
    const exclude = (index: number): string | undefined => {
      const { name } = model.view.node(index);
      const node = cluster.node(name);
      return node === undefined
        ? "node(s) are gone"
        : whyInfeasible(needs, node, cluster.useOf(name));
    };
    const ask = { id: order, label: labelOf(pod), arrivalMs: sinceMs, attempt: attempts, exclude };
    return brain.decide({ ...ask, ...place }, model);
  }

  #tell(verdict: Exclude<Verdict, { kind: "placed" }>): string {
    switch (verdict.kind) {
      case "nowhere":
        return tellReasons(this.#parts.cluster.nodeNames().length, verdict.reasons);
      case "over-quota":
        return "the tenant has used up its quota";
      case "queued":
        return `the policy ${this.#parts.brain.scheduler.name} lets it wait`;
    }
  }

  /** Puts a pod back and tells its owner why, once for each reason. */
  #fail(entry: QueuedPod, message: string, isParked: boolean): void {
    const { api, time } = this.#parts;
    this.#queue.putBack(entry, time.nowMs(), isParked);
    if (entry.told === message) return;
    entry.told = message;
    const { pod } = entry;
    this.#events.tell(pod, "Warning", "FailedScheduling", message);
    const atIso = new Date(time.wallMs()).toISOString();
    this.#track(api.markUnschedulable(pod.metadata, message, atIso).catch(() => {}));
  }

  #bind(entry: QueuedPod, node: string): void {
    const { uid } = entry.pod.metadata;
    this.#binding.set(uid, entry);
    this.#track(
      this.#binder.bind(entry.pod, node, this.#giveUp.signal).then((result) => {
        this.#binding.delete(uid);
        if (entry.isGone) this.#parts.cluster.remove(uid);
        else this.#settle(entry, node, result);
      }),
    );
  }

  #settle(entry: QueuedPod, node: string, result: BindResult): void {
    const { cluster, time } = this.#parts;
    const { pod } = entry;
    const { uid } = pod.metadata;
    switch (result.kind) {
      case "bound":
        this.#bound.add(uid);
        cluster.place(pod, result.node);
        if (result.node === node) {
          const message = `Successfully assigned ${labelOf(pod)} to ${node}`;
          this.#events.tell(pod, "Normal", "Scheduled", message);
        }
        return;
      case "gone":
        cluster.remove(uid);
        return;
      case "refused":
        // An earlier binding may still arrive: the place stays kept, and the node the only one.
        if (entry.pinnedTo === undefined) cluster.remove(uid);
        this.#fail(entry, `binding to ${node} was refused: ${result.problem}`, false);
        return;
      case "unanswered":
        entry.pinnedTo = node;
        this.#queue.putBack(entry, time.nowMs(), false);
    }
  }

  #track(task: Promise<void>): void {
    const tracked = task.finally(() => {
      this.#tasks.delete(tracked);
      this.#poke();
    });
    this.#tasks.add(tracked);
  }

  #onNodes(): void {
    this.#queue.wake(this.#parts.time.nowMs());
    this.#poke();
  }

  #podSink(): ReflectorSink {
    return {
      replace: (items) => {
        const there = new Set(items.map((raw) => metadataText(raw, "uid")));
        for (const uid of [...this.#queue.uids(), ...this.#parts.cluster.placedUids()]) {
          if (!there.has(uid) && !this.#binding.has(uid)) this.#forget(uid);
        }
        for (const uid of this.#bound) if (!there.has(uid)) this.#bound.delete(uid);
        for (const raw of items) this.#see(raw);
        this.#poke();
      },
      apply: (type, raw) => {
        const uid = metadataText(raw, "uid");
        if (type === "DELETED" && uid !== undefined) this.#forget(uid);
        else this.#see(raw);
        this.#poke();
      },
    };
  }

  #forget(uid: string): void {
    const { cluster, time } = this.#parts;
    this.#queue.remove(uid);
    this.#bound.delete(uid);
    const underWay = this.#binding.get(uid);
    if (underWay !== undefined) {
      underWay.isGone = true;
      return;
    }
    cluster.remove(uid);
    this.#queue.wake(time.nowMs());
  }

  /** A pod as the API has, or had, it. */
  #see(raw: unknown): void {
    const { cluster, metrics, time } = this.#parts;
    const read = readPod(raw);
    if (!("value" in read)) {
      metrics.malformed.inc({ source: "pod" });
      return;
    }
    const pod = read.value;
    const { uid, deletionTimestamp } = pod.metadata;
    const { nodeName, schedulerName, schedulingGates } = pod.spec;
    if (isOver(pod)) {
      this.#forget(uid);
      return;
    }
    const isOurs = schedulerName === this.#options.schedulerName;
    if (nodeName) {
      this.#queue.remove(uid);
      if (isOurs) this.#bound.add(uid);
      cluster.place(pod, nodeName);
      return;
    }
    if (!isOurs) return;
    if (this.#binding.has(uid) || this.#bound.has(uid)) return;
    if (deletionTimestamp || schedulingGates.length > 0) this.#queue.remove(uid);
    else this.#queue.offer(pod, time.nowMs());
  }
}
