import type { ChainState } from "../protocol/chain-context.ts";

/**
 * A snapshot of a protocol's state: its containers copied, their entries shared, as entries never
 * change (the rule of `ChainState`).
 */
export function copyState(state: ChainState): ChainState {
  return Object.fromEntries(Object.entries(state).map(([name, value]) => [name, copyOf(value)]));
}

function copyOf(value: unknown): unknown {
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  return Array.isArray(value) ? [...value] : value;
}
