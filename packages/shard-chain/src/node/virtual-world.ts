import {
  Core,
  type CostTable,
  costOf,
  Network,
  type NetworkSettings,
  type Prng,
  SharedCores,
  Simulation,
  type TracedWorld,
  TraceHash,
} from "@fmlab/sim";
import type { Host, HostedNode, NodeId, NodeMessage, Timer } from "./host.ts";

/** A world of nodes in virtual time. */
export interface VirtualWorldSettings {
  /** One entry of `nodeRegions` a node; node ids are their indices. */
  readonly network: NetworkSettings;
  /** What operations cost; undefined when computing takes no time. */
  readonly costs?: CostTable;
  /** Speed of each core against the machine of the costs; default 1. */
  readonly coreSpeed?: number;
  /** Cores of a machine that all nodes share; default: each node has one of its own. */
  readonly machineCores?: number;
  /** How far each node's clock is ahead, ms; default 0. */
  readonly clockOffsetsMs?: readonly number[];
}

/** Sees each message when it arrives, before the node does. */
export type DeliveryObserver = (to: NodeId, from: NodeId, message: NodeMessage) => void;

/**
 * Nodes in virtual time: messages through the network model, work on one core a node, every
 * delivery hashed. Runs the same node code as real sockets do.
 */
export class VirtualWorld implements TracedWorld {
  readonly simulation = new Simulation();
  readonly trace = new TraceHash();
  readonly network: Network;
  readonly #hosts: VirtualHost[];
  /** Numbers of the channels by first use: hashing a number is cheaper than hashing a name. */
  readonly #channels = new Map<string, number>();

  constructor(prng: Prng, settings: VirtualWorldSettings, observer?: DeliveryObserver) {
    this.network = new Network(this.simulation, prng.fork("network"), settings.network);
    const { machineCores } = settings;
    const shared =
      machineCores === undefined ? undefined : new SharedCores(this.simulation, machineCores);
    this.#hosts = settings.network.nodeRegions.map((_, id) => {
      const core = new Core(this.simulation, settings.coreSpeed, shared);
      return new VirtualHost(id, this, core, settings, observer);
    });
  }

  /** The host of a node; give it to the node's constructor. */
  host(id: NodeId): Host {
    return this.#hostOf(id);
  }

  /** Puts a node on its host. A second one takes the place of the first, as after a restart. */
  place(id: NodeId, node: HostedNode): void {
    this.#hostOf(id).place(node);
  }

  /** From now on the node gets nothing, and none of its timers fires. */
  crash(id: NodeId): void {
    this.#hostOf(id).crash();
  }

  /** How long a node's core has computed, ms. */
  usedMs(id: NodeId): number {
    return this.#hostOf(id).usedMs;
  }

  /** Hands a message over; called when it arrives. */
  deliver(from: NodeId, to: NodeId, message: NodeMessage): void {
    const { channel, sizeBytes } = message;
    let number = this.#channels.get(channel);
    if (number === undefined) {
      number = this.#channels.size;
      this.#channels.set(channel, number);
      this.trace.addString(channel);
    }
    this.trace.addNumber(this.simulation.nowMs()).addNumber(from * 65_536 + to);
    this.trace.addNumber(number * 2 ** 32 + sizeBytes);
    this.#hosts[to]?.receive(from, message);
  }

  #hostOf(id: NodeId): VirtualHost {
    const host = this.#hosts[id];
    if (host === undefined) throw new RangeError(`the world has no node ${id}`);
    return host;
  }
}

class VirtualHost implements Host {
  readonly self: NodeId;
  readonly #world: VirtualWorld;
  readonly #core: Core;
  readonly #costs: CostTable | undefined;
  readonly #offsetMs: number;
  readonly #observer: DeliveryObserver | undefined;
  #node: HostedNode | undefined;
  /** Counts crashes and restarts: timers of an earlier life do not fire. */
  #life = 0;

  constructor(
    self: NodeId,
    world: VirtualWorld,
    core: Core,
    settings: VirtualWorldSettings,
    observer: DeliveryObserver | undefined,
  ) {
    this.self = self;
    this.#world = world;
    this.#core = core;
    this.#costs = settings.costs;
    this.#offsetMs = settings.clockOffsetsMs?.[self] ?? 0;
    this.#observer = observer;
  }

  get usedMs(): number {
    return this.#core.usedMs;
  }

  place(node: HostedNode): void {
    this.#life++;
    this.#node = node;
    this.#core.submit(() => node.start());
  }

  crash(): void {
    this.#life++;
    this.#node = undefined;
  }

  receive(from: NodeId, message: NodeMessage): void {
    this.#observer?.(this.self, from, message);
    this.#core.submit(() => this.#node?.onMessage(from, message));
  }

  nowMs(): number {
    return this.#core.nowMs() + this.#offsetMs;
  }

  send(to: NodeId, message: NodeMessage): void {
    const deliver = () => this.#world.deliver(this.self, to, message);
    this.#world.network.send(this.self, to, message.sizeBytes, deliver, this.#core.nowMs());
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const life = this.#life;
    const task = () => {
      if (this.#life === life) fire();
    };
    return this.#world.simulation.scheduleAt(this.#core.nowMs() + delayMs, () => {
      if (this.#life === life) this.#core.submit(task);
    });
  }

  cancelTimer(timer: Timer): void {
    this.#world.simulation.cancel(timer as ReturnType<Simulation["scheduleAt"]>);
  }

  charge(operation: string, count = 1): void {
    if (this.#costs !== undefined) this.#core.use(costOf(this.#costs, operation, count));
  }
}
