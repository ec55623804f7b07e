import type { Carry } from "../ledger/execution.ts";

/** A carry in a message. */
export interface CarryData {
  readonly purse: bigint;
  readonly word: bigint;
  readonly seen: bigint;
  readonly [name: string]: bigint;
}

/** The carry as data. */
export function carryData({ purse, word, seen }: Carry): CarryData {
  return { purse, word, seen };
}

/** The carry of a message. */
export function carryOf({ purse, word, seen }: CarryData): Carry {
  return { purse, word, seen };
}
