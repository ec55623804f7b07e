import { SimError } from "./errors.ts";
import { concerns, type NetworkFault } from "./faults.ts";
import type { Prng } from "./prng.ts";
import type { Simulation } from "./simulation.ts";

/** A network of nodes in regions. */
export interface NetworkSettings {
  /** Region of each node; its length is the number of nodes. */
  readonly nodeRegions: readonly number[];
  /** Round-trip time between (and within) regions, ms; a message takes half. */
  readonly rttMs: readonly (readonly number[])[];
  /** What a node's interface sends; messages queue for it. Default: no limit. */
  readonly egressBytesPerMs?: number;
  /** What a node's interface receives; messages queue for it. Default: no limit. */
  readonly ingressBytesPerMs?: number;
  /** What all nodes of one region together send to another region. Default: no limit. */
  readonly regionLinkBytesPerMs?: number;
  /** Longest extra share of the one-way time, uniformly drawn per message. Default: 0. */
  readonly jitter?: number;
  /** Probability that a message between two nodes is lost. Default: 0. */
  readonly lossProbability?: number;
  /** Nodes whose every message, in or out, takes longer. */
  readonly slowNodes?: readonly { readonly node: number; readonly extraMs: number }[];
  readonly faults?: readonly NetworkFault[];
}

/** What a network has carried. */
export interface NetworkCounts {
  messages: number;
  bytes: number;
  lost: number;
}

/**
 * Delivers messages in virtual time: egress queue, region link, propagation with jitter, ingress
 * queue. Without order: a message may overtake one sent before.
 *
 * Every directed pair of nodes draws from its own stream, so that a message more on one link
 * changes nothing on another.
 */
export class Network {
  readonly counts: NetworkCounts = { messages: 0, bytes: 0, lost: 0 };
  readonly #simulation: Simulation;
  readonly #prng: Prng;
  readonly #settings: NetworkSettings;
  readonly #links = new Map<number, Prng>();
  readonly #egressFreeMs: number[];
  readonly #ingressFreeMs: number[];
  readonly #linkFreeMs = new Map<number, number>();
  readonly #slownessMs: number[];

  /** @throws SimError `BAD_RANGE` for a region without a row, negative times or bandwidths */
  constructor(simulation: Simulation, prng: Prng, settings: NetworkSettings) {
    checkSettings(settings);
    this.#simulation = simulation;
    this.#prng = prng;
    this.#settings = settings;
    this.#egressFreeMs = settings.nodeRegions.map(() => 0);
    this.#ingressFreeMs = settings.nodeRegions.map(() => 0);
    this.#slownessMs = settings.nodeRegions.map(() => 0);
    for (const { node, extraMs } of settings.slowNodes ?? []) this.#slownessMs[node] = extraMs;
  }

  /**
   * Sends a message; `deliver` runs when its last byte has arrived, or never.
   *
   * @param leaveMs when it leaves the sender; not before the present, which is the default
   */
  send(from: number, to: number, sizeBytes: number, deliver: () => void, leaveMs?: number): void {
    const readyMs = leaveMs ?? this.#simulation.nowMs();
    if (from === to) {
      this.#simulation.scheduleAt(readyMs, deliver);
      return;
    }
    this.counts.messages++;
    this.counts.bytes += sizeBytes;
    const sentMs = this.#passQueues(from, to, sizeBytes, readyMs);
    const travelled = this.#travelMs(from, to, sentMs);
    if (travelled === undefined) {
      this.counts.lost++;
      return;
    }
    const ingress = this.#settings.ingressBytesPerMs;
    if (ingress === undefined) {
      this.#simulation.scheduleAt(sentMs + travelled, deliver);
      return;
    }
    this.#simulation.scheduleAt(sentMs + travelled, () => {
      const startMs = Math.max(this.#ingressFreeMs[to] ?? 0, this.#simulation.nowMs());
      this.#ingressFreeMs[to] = startMs + sizeBytes / ingress;
      this.#simulation.scheduleAt(startMs + sizeBytes / ingress, deliver);
    });
  }

  /** When the last byte has left the sender's interface and its region's link. */
  #passQueues(from: number, to: number, sizeBytes: number, readyMs: number): number {
    const { egressBytesPerMs, regionLinkBytesPerMs, nodeRegions, rttMs } = this.#settings;
    let sentMs = readyMs;
    if (egressBytesPerMs !== undefined) {
      const startMs = Math.max(this.#egressFreeMs[from] ?? 0, sentMs);
      sentMs = startMs + sizeBytes / egressBytesPerMs;
      this.#egressFreeMs[from] = sentMs;
    }
    const source = nodeRegions[from] ?? 0;
    const target = nodeRegions[to] ?? 0;
    if (regionLinkBytesPerMs !== undefined && source !== target) {
      const link = source * rttMs.length + target;
      const startMs = Math.max(this.#linkFreeMs.get(link) ?? 0, sentMs);
      sentMs = startMs + sizeBytes / regionLinkBytesPerMs;
      this.#linkFreeMs.set(link, sentMs);
    }
    return sentMs;
  }

  /** How long the message travels; undefined when it is lost. */
  #travelMs(from: number, to: number, sentMs: number): number | undefined {
    const { nodeRegions, rttMs, jitter = 0, lossProbability = 0, faults = [] } = this.#settings;
    const link = this.#link(from, to);
    const oneWayMs = (rttMs[nodeRegions[from] ?? 0]?.[nodeRegions[to] ?? 0] ?? 0) / 2;
    const slownessMs = (this.#slownessMs[from] ?? 0) + (this.#slownessMs[to] ?? 0);
    const travelMs = oneWayMs * (1 + jitter * link.nextFloat()) + slownessMs;
    // Drawn for every message, so that a loss or a fault elsewhere moves no later draw.
    const chance = link.nextFloat();
    const share = link.nextFloat();
    if (chance < lossProbability) return undefined;
    let delayMs = 0;
    for (const fault of faults) {
      if (!concerns(fault, from, to, sentMs)) continue;
      if (fault.kind === "loss") {
        if (chance < fault.probability) return undefined;
      } else if (fault.kind === "partition") {
        if (fault.mode === "drop") return undefined;
        delayMs = Math.max(delayMs, fault.endMs - sentMs);
      } else {
        const [least, most] = fault.delayMs;
        const wantedMs = least + share * (most - least);
        delayMs = Math.max(delayMs, Math.min(wantedMs, fault.endMs - sentMs));
      }
    }
    return travelMs + delayMs;
  }

  #link(from: number, to: number): Prng {
    const key = from * this.#settings.nodeRegions.length + to;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = this.#prng.fork(`${from}>${to}`);
      this.#links.set(key, link);
    }
    return link;
  }
}

function checkSettings(settings: NetworkSettings): void {
  const { nodeRegions, rttMs, jitter = 0, lossProbability = 0 } = settings;
  for (const region of nodeRegions) {
    check("region", region, Number.isInteger(region) && rttMs[region]?.length === rttMs.length);
  }
  for (const time of rttMs.flat()) check("rttMs", time, time >= 0 && Number.isFinite(time));
  check("jitter", jitter, jitter >= 0 && Number.isFinite(jitter));
  check("lossProbability", lossProbability, lossProbability >= 0 && lossProbability <= 1);
  for (const name of ["egressBytesPerMs", "ingressBytesPerMs", "regionLinkBytesPerMs"] as const) {
    const value = settings[name];
    if (value !== undefined) check(name, value, value > 0);
  }
  for (const { node, extraMs } of settings.slowNodes ?? []) {
    check("slowNodes.node", node, nodeRegions[node] !== undefined);
    check("slowNodes.extraMs", extraMs, extraMs >= 0 && Number.isFinite(extraMs));
  }
}

function check(name: string, value: number, holds: boolean): void {
  if (!holds) {
    throw new SimError(`the network's ${name} cannot be ${value}`, {
      code: "BAD_RANGE",
      name,
      value,
    });
  }
}
