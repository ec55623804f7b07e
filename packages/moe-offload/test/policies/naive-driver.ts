import type { ExpertKey, Routing, RoutingShape } from "../../src/offload/routing.ts";
import type {
  Allocation,
  ExpertPolicy,
  PolicyContext,
  PolicyDefinition,
} from "../../src/policies/policy.ts";

/** What one call did, in the order in which it was done. */
export interface DriverEvent {
  kind: "hit" | "load" | "admit" | "evict" | "stage";
  key: ExpertKey;
}

/**
 * The protocol of `ExpertPolicy`, written for reading: sets of keys instead of slots, no time, no
 * bytes. It is the oracle of the real scheduler, and the judge of policies: whatever a policy
 * answers that the protocol forbids is thrown as an error.
 */
export class NaiveDriver {
  /** By region (a layer, or 0 for all): the experts that have a slot. */
  readonly resident: Set<ExpertKey>[];
  /** Prefetched experts that wait in staging. */
  readonly waiting = new Set<ExpertKey>();
  hits = 0;
  misses = 0;
  #policy: ExpertPolicy;
  #shape: RoutingShape;
  #allocation: Allocation;
  #orderCandidates: (keys: ExpertKey[]) => ExpertKey[];
  #events: DriverEvent[] = [];
  #needed: ExpertKey[] = [];

  /**
   * @param orderCandidates  the order in which candidates are told to the policy
   */
  constructor(
    definition: PolicyDefinition,
    context: PolicyContext,
    orderCandidates = (keys: ExpertKey[]) => keys,
  ) {
    this.#shape = context.shape;
    this.#allocation = context.allocation;
    this.#orderCandidates = orderCandidates;
    this.resident = context.allocation.slots.map(() => new Set());
    this.#policy = definition.create(context);
    for (const key of definition.initial?.(context) ?? []) {
      const region = this.#regionOf(key);
      check(!region.has(key), `expert ${key} is loaded twice at the start`);
      this.#admit(key, region);
    }
    this.#events = [];
  }

  /** One layer of one token: what the router chose is looked up, loaded and kept or not. */
  request(routing: Routing): DriverEvent[] {
    this.#events = [];
    const { expertCount, expertUsedCount } = this.#shape;
    this.#needed = Array.from(routing.experts, (expert) => routing.layer * expertCount + expert);
    this.#policy.onRouting?.(routing);
    for (const key of this.#needed) this.#policy.onUse?.(key, this.#regionOf(key).has(key));
    const absent = this.#needed.filter((key) => !this.#regionOf(key).has(key));
    for (const key of this.#needed) {
      const isHere = this.waiting.has(key) || !absent.includes(key);
      this.#events.push({ kind: isHere ? "hit" : "load", key });
      if (isHere) this.hits++;
      else this.misses++;
    }
    let staged = 0;
    absent.sort((a, b) => Number(this.waiting.has(b)) - Number(this.waiting.has(a)));
    for (const key of absent) {
      if (this.#keep(key)) this.waiting.delete(key);
      else if (!this.waiting.has(key)) staged++;
    }
    const room = this.#allocation.staging - this.waiting.size;
    check(staged <= room, `${staged} of ${expertUsedCount} experts are staged, ${room} fit`);
    for (const key of this.waiting) {
      if (Math.floor(key / expertCount) === routing.layer) this.waiting.delete(key);
    }
    return this.#events;
  }

  /** A predicted expert is loaded ahead: into a slot, into staging, or not at all. */
  prefetch(key: ExpertKey): DriverEvent[] {
    this.#events = [];
    const region = this.#regionOf(key);
    const { staging } = this.#allocation;
    if (region.has(key) || this.waiting.has(key)) return this.#events;
    if (staging - this.waiting.size > this.#shape.expertUsedCount) {
      this.waiting.add(key);
      this.#events.push({ kind: "stage", key });
    } else if (this.#hasFreeSlot(key)) {
      this.#admit(key, region);
    } else {
      const victim = this.#ask(key, true);
      if (victim !== undefined) this.#replace(victim, key);
    }
    return this.#events;
  }

  /** A region loses a slot and with it an expert; undefined when all are needed or it has none. */
  shrink(regionIndex: number): ExpertKey | undefined {
    this.#events = [];
    const candidates = [...(this.resident[regionIndex] ?? [])];
    if (candidates.length === 0) return undefined;
    const index = this.#policy.victim(-1, Int32Array.from(candidates), candidates.length, false);
    const victim = candidates[index];
    if (victim === undefined)
      check(this.#policy.allResident, `victim answered ${index} for nobody`);
    else this.resident[regionIndex]?.delete(victim);
    if (victim !== undefined) this.#policy.onEvict?.(victim);
    return victim;
  }

  /** Gives a loaded expert a slot, if the policy wants it kept. */
  #keep(key: ExpertKey): boolean {
    if (this.#hasFreeSlot(key)) {
      this.#admit(key, this.#regionOf(key));
      return true;
    }
    const victim = this.#ask(key, false);
    if (victim === undefined) {
      this.#events.push({ kind: "stage", key });
      return false;
    }
    this.#replace(victim, key);
    return true;
  }

  #ask(key: ExpertKey, isPrefetch: boolean): ExpertKey | undefined {
    const evictable = [...this.#regionOf(key)].filter((held) => !this.#needed.includes(held));
    if (evictable.length === 0) return undefined;
    const candidates = this.#orderCandidates(evictable);
    const buffer = new Int32Array(candidates.length + 2).fill(-1);
    buffer.set(candidates);
    const index = this.#policy.victim(key, buffer, candidates.length, isPrefetch);
    const isIndex = Number.isInteger(index) && index >= -1 && index < candidates.length;
    check(isIndex, `victim answered ${index} of ${candidates.length} candidates`);
    check([...buffer.subarray(0, candidates.length)].join() === candidates.join(), "candidates");
    const { staging } = this.#allocation;
    const mayDecline = isPrefetch || staging >= this.#shape.expertUsedCount;
    check(index >= 0 || mayDecline, `expert ${key} was declined with ${staging} staging slots`);
    return candidates[index];
  }

  #replace(victim: ExpertKey, key: ExpertKey): void {
    this.#regionOf(victim).delete(victim);
    this.#events.push({ kind: "evict", key: victim });
    this.#policy.onEvict?.(victim);
    this.#admit(key, this.#regionOf(key));
  }

  #admit(key: ExpertKey, region: Set<ExpertKey>): void {
    check(this.#hasFreeSlot(key), `expert ${key} is admitted without a free slot`);
    region.add(key);
    this.#events.push({ kind: "admit", key });
    this.#policy.onAdmit?.(key);
  }

  #hasFreeSlot(key: ExpertKey): boolean {
    return this.#regionOf(key).size < (this.#allocation.slots[this.#indexOf(key)] ?? 0);
  }

  #regionOf(key: ExpertKey): Set<ExpertKey> {
    const region = this.resident[this.#indexOf(key)];
    check(region !== undefined, `expert ${key} has a region`);
    return region;
  }

  #indexOf(key: ExpertKey): number {
    return this.#allocation.isShared ? 0 : Math.floor(key / this.#shape.expertCount);
  }
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
