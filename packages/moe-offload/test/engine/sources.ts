import {
  EXPERT_PARTS,
  type ExpertSource,
  type ModelFile,
  type SlotPool,
} from "../../src/engine/interfaces.ts";

/** A source of experts that has brought them when it returns. */
export interface SyncSource {
  allResident?: boolean;
  acquire(layer: number, experts: Int32Array, slots: Int32Array): void;
}

/** Lets the engine use such a source. */
export function atOnce(source: SyncSource): SyncSource & ExpertSource {
  return {
    ...source,
    request: ({ layer, experts }, slots) => source.acquire(layer, experts, slots),
    isReady: () => true,
    waitFor: () => {},
    release: () => {},
  };
}

/** Reads one expert from the model file into a slot. */
function load(file: ModelFile, pool: SlotPool, layer: number, expert: number, slot: number): void {
  for (const part of EXPERT_PARTS) {
    const tensor = file.tensors.get(`blk.${layer}.ffn_${part}_exps.weight`);
    if (!tensor) throw new Error(`no experts in layer ${layer}`);
    const target = pool.view(slot, part);
    file.read(tensor.offset + expert * target.length, target);
  }
}

/** All experts, loaded once in natural order. */
export function residentSource(file: ModelFile, layers: number, experts: number) {
  return (pool: SlotPool): SyncSource & ExpertSource => {
    for (let layer = 0; layer < layers; layer++) {
      for (let expert = 0; expert < experts; expert++) {
        load(file, pool, layer, expert, layer * experts + expert);
      }
    }
    return atOnce({
      allResident: true,
      acquire: (layer, wanted, slots) => {
        for (let i = 0; i < wanted.length; i++) slots[i] = layer * experts + (wanted[i] ?? 0);
      },
    });
  };
}

/**
 * A least-recently-used cache over one pool for all layers: the simplest that can be right, and
 * independent of the package's own.
 */
export function lruSource(file: ModelFile, counts: { hits: number; misses: number }) {
  return (pool: SlotPool): SyncSource & ExpertSource => {
    const slotOf = new Map<string, number>();
    const free = Array.from({ length: pool.slotCount }, (_, slot) => slot);
    return atOnce({
      acquire: (layer, wanted, slots) => {
        const inUse = new Set(Array.from(wanted, (expert) => `${layer}.${expert}`));
        wanted.forEach((expert, i) => {
          const key = `${layer}.${expert}`;
          let slot = slotOf.get(key);
          if (slot === undefined) {
            counts.misses++;
            slot = free.pop() ?? evict(slotOf, inUse);
            load(file, pool, layer, expert, slot);
          } else counts.hits++;
          slotOf.delete(key);
          slotOf.set(key, slot);
          slots[i] = slot;
        });
      },
    });
  };
}

// A Map keeps the order of insertion, so its first key was used longest ago.
function evict(slotOf: Map<string, number>, inUse: ReadonlySet<string>): number {
  for (const [key, slot] of slotOf) {
    if (inUse.has(key)) continue;
    slotOf.delete(key);
    return slot;
  }
  throw new Error("fewer slots than experts of one token");
}
