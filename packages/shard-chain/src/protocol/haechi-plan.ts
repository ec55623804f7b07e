import type { Address, ShardId } from "../ledger/address.ts";
import { isRead, type Step, type Transaction } from "../ledger/transaction.ts";
import type { Placement } from "../placement/placement.ts";
import type { PartData } from "./haechi-messages.ts";

/** How a transaction gets done once it is ordered: the same wherever it is computed. */
export interface Plan {
  /** What its shards have to know, the shards in the order of its steps. */
  readonly parts: readonly PartData[];
  /** Why it cannot be done; undefined when it can. */
  readonly refusal: "unsupported" | undefined;
}

/**
 * Plans a transaction: who has to know whose values. Storage of contracts does not travel, so
 * contracts can be called by transactions on one shard only.
 */
export function planOf(transaction: Transaction, placement: Placement): Plan {
  const { sender, steps } = transaction;
  const home = placement.shardOf(sender);
  const shards = stepShards(transaction, placement);
  const needs = needsOf(steps, placement);
  const parts = shards.map((shard): PartData => {
    const here = steps.filter(({ address }) => placement.shardOf(address) === shard);
    const others = shards.filter((other) => other !== shard);
    return {
      shard,
      ...accessOf(here),
      takes: takesOf(here),
      needs: others.filter((other) => needs.get(shard)?.has(other)),
      // The home shard's values bring the transaction itself along.
      tells: others.filter((other) => shard === home || needs.get(other)?.has(shard)),
    };
  });
  const hasCall = steps.some(({ op }) => op === "call");
  return { parts, refusal: hasCall && shards.length > 1 ? "unsupported" : undefined };
}

/** Shards on which a transaction has steps, in their order, each once; of none, its sender's. */
export function stepShards({ sender, steps }: Transaction, placement: Placement): ShardId[] {
  const shards = new Set(steps.map(({ address }) => placement.shardOf(address)));
  return shards.size > 0 ? [...shards] : [placement.shardOf(sender)];
}

function accessOf(steps: readonly Step[]): Pick<PartData, "reads" | "writes"> {
  const writes = new Set(steps.filter((step) => !isRead(step)).map(({ address }) => address));
  const reads = new Set(steps.filter(isRead).map(({ address }) => address));
  for (const address of writes) reads.delete(address);
  return { reads: [...reads], writes: [...writes] };
}

function takesOf(steps: readonly Step[]): PartData["takes"] {
  const takes = new Map<Address, bigint | null>();
  for (const step of steps) {
    const before = takes.get(step.address);
    if (before === null) continue;
    if (step.op === "sweep") takes.set(step.address, null);
    else if (step.op === "debit") takes.set(step.address, (before ?? 0n) + step.amount);
    else if (step.op === "check") {
      takes.set(step.address, (before ?? 0n) + step.amount + step.penalty);
    }
  }
  return [...takes];
}

/** Shards whose values something depends on. */
type Sources = ReadonlySet<ShardId>;

const NOBODY: Sources = new Set();

/**
 * By shard: whose values it needs to know what its own accounts become, itself maybe among them. A
 * transfer's payer needs nothing of the payee. With the values that it needs and any others in
 * place of the rest, a shard comes to the right outcome for its accounts; only that a balance would
 * exceed 2^128 is not foreseen.
 */
function needsOf(steps: readonly Step[], placement: Placement): Map<ShardId, Sources> {
  const needs = new Map<ShardId, Sources>();
  const need = (shard: ShardId, sources: Sources) =>
    needs.set(shard, union(needs.get(shard) ?? NOBODY, sources));
  // What the carry depends on, and what success does; the purse where the steps alone tell it.
  let [word, seen, purse, success] = [NOBODY, NOBODY, NOBODY, NOBODY];
  let purseWei: bigint | undefined = 0n;
  for (const step of steps) {
    const shard = placement.shardOf(step.address);
    const own = new Set([shard]);
    need(shard, NOBODY);
    switch (step.op) {
      case "observe":
        word = union(word, own);
        seen = union(seen, own);
        break;
      case "debit":
        success = union(success, own);
        if (purseWei !== undefined) purseWei += step.amount;
        break;
      case "credit":
        if (purseWei === undefined) success = union(success, purse);
        else purseWei -= step.amount;
        break;
      case "sweep":
        purse = union(purse, own);
        purseWei = undefined;
        break;
      case "deposit":
        need(shard, purse);
        purse = NOBODY;
        purseWei = 0n;
        break;
      case "check":
        // What it takes depends on what was seen; so does, for all, whether there is enough.
        success = union(success, union(own, seen));
        purse = union(purse, union(own, seen));
        purseWei = undefined;
        break;
      case "mix":
        need(shard, word);
        word = union(word, own);
    }
  }
  if (purseWei === undefined) success = union(success, purse);
  for (const shard of needs.keys()) need(shard, success);
  return needs;
}

function union(one: Sources, other: Sources): Sources {
  return other.size === 0 ? one : new Set([...one, ...other]);
}
