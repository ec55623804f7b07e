import type { V1Lease } from "@kubernetes/client-node";
import type { BrainMetrics } from "../brain-metrics.ts";
import type { Timekeeper } from "../timekeeper.ts";
import type { KubeApi } from "./kube-api.ts";

/** Which lease, and for how long it is held. Kubernetes' own defaults are 15, 10 and 2 s. */
export interface LeaseOptions {
  namespace: string;
  name: string;
  identity: string;
  /** Others may take the lease when it was not renewed for so long. */
  durationMs: number;
  /** The holder stops acting when it could not renew for so long; below `durationMs`. */
  renewDeadlineMs: number;
  retryMs: number;
}

/**
 * Leader election by a Lease object, as client-go does it: who writes the record first holds it;
 * others take it over when it has not changed for its duration by their own clock, so that clocks
 * need not agree. The API's version check makes two writers impossible.
 *
 * @see kubernetes/client-go tools/leaderelection
 */
export class LeaderLease {
  readonly #options: LeaseOptions;
  readonly #api: KubeApi;
  readonly #time: Timekeeper;
  readonly #metrics: BrainMetrics;
  /** The record as last seen, and when it was first seen so. */
  #seen: { key: string; atMs: number } | undefined;
  #renewedMs = Number.NEGATIVE_INFINITY;

  constructor(
    options: LeaseOptions,
    parts: { api: KubeApi; time: Timekeeper; metrics: BrainMetrics },
  ) {
    this.#options = options;
    this.#api = parts.api;
    this.#time = parts.time;
    this.#metrics = parts.metrics;
  }

  /** Whether this process may act now: renewed recently enough that nobody else can hold it. */
  get isHeld(): boolean {
    return this.#time.nowMs() - this.#renewedMs < this.#options.renewDeadlineMs;
  }

  /** Tries for the lease, holds it, tries again when it is lost; until the signal is aborted. */
  async run(signal: AbortSignal, onHeld: () => void): Promise<void> {
    while (!signal.aborted) {
      const wasHeld = this.isHeld;
      await this.tryOnce();
      this.#metrics.leads.set(this.isHeld ? 1 : 0);
      if (this.isHeld && !wasHeld) onHeld();
      await this.#time.sleep(this.#options.retryMs, signal);
    }
  }

  /** One attempt to take or renew the lease; a refusal or silence is no success, never an error. */
  async tryOnce(): Promise<boolean> {
    const startedMs = this.#time.nowMs();
    try {
      const { namespace, name } = this.#options;
      const lease = await this.#api.getLease(namespace, name);
      if (lease !== undefined && !this.#mayTake(lease)) return false;
      await this.#api.putLease(namespace, this.#record(lease));
      // Counted from before the call: by then the others cannot have begun to wait later.
      this.#renewedMs = startedMs;
      return true;
    } catch {
      return false;
    }
  }

  /** Gives the lease up, so that others need not wait. */
  async release(): Promise<void> {
    if (!this.isHeld) return;
    this.#renewedMs = Number.NEGATIVE_INFINITY;
    this.#metrics.leads.set(0);
    try {
      const { namespace, name, identity } = this.#options;
      const lease = await this.#api.getLease(namespace, name);
      if (lease?.spec?.holderIdentity !== identity) return;
      const spec = { ...this.#record(lease).spec, holderIdentity: "", leaseDurationSeconds: 1 };
      await this.#api.putLease(namespace, { ...this.#record(lease), spec });
    } catch {
      // It lapses by itself.
    }
  }

  #mayTake({ spec, metadata }: V1Lease): boolean {
    const holder = spec?.holderIdentity ?? "";
    if (holder === this.#options.identity || holder === "") return true;
    const key = `${metadata?.resourceVersion}|${holder}|${String(spec?.renewTime)}`;
    const nowMs = this.#time.nowMs();
    if (this.#seen?.key !== key) this.#seen = { key, atMs: nowMs };
    const durationMs = (spec?.leaseDurationSeconds ?? 0) * 1000 || this.#options.durationMs;
    return nowMs - this.#seen.atMs > durationMs;
  }

  #record(lease: V1Lease | undefined): V1Lease {
    const { namespace, name, identity, durationMs } = this.#options;
    const now = new MicroTime(this.#time.wallMs());
    const isOurs = lease?.spec?.holderIdentity === identity;
    const version = lease?.metadata?.resourceVersion;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: {
        ...lease?.metadata,
        name,
        namespace,
        ...(version && { resourceVersion: version }),
      },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.max(1, Math.ceil(durationMs / 1000)),
        acquireTime: isOurs && lease?.spec?.acquireTime ? lease.spec.acquireTime : now,
        renewTime: now,
        leaseTransitions:
          (lease?.spec?.leaseTransitions ?? 0) + (isOurs || lease === undefined ? 0 : 1),
      },
    } as V1Lease;
  }
}

/** A time stamp with microseconds, which is how leases write theirs. */
class MicroTime extends Date {
  override toISOString(): string {
    return super.toISOString().replace("Z", "000Z");
  }
}
