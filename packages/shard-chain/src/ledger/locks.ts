import type { Address } from "./address.ts";
import type { LedgerState, StateView } from "./state.ts";
import { type LockClaim, type LockEntry, type LockMode, lockKey } from "./state-value.ts";
import {
  type AccessSet,
  accessSetOf,
  type Transaction,
  type TransactionId,
} from "./transaction.ts";

// Locks are part of the replicated state: every validator grants the same ones, and a validator
// that catches up finds them. They cover whole accounts (with all storage, for a contract).

/** A lock that a transaction wants on one account. */
export interface LockWish {
  readonly address: Address;
  readonly mode: LockMode;
}

/** `write`: every access excludes every other. `readWrite`: readers share. */
export type LockDiscipline = "write" | "readWrite";

/** The locks that a set of accesses needs, by rising address: no two wait for each other here. */
export function wishesFor(access: AccessSet, discipline: LockDiscipline): LockWish[] {
  const readMode = discipline === "readWrite" ? "read" : "write";
  const wishes: LockWish[] = [
    ...access.reads.map((address) => ({ address, mode: readMode }) as const),
    ...access.writes.map((address) => ({ address, mode: "write" }) as const),
  ];
  return wishes.sort((one, other) => (one.address < other.address ? -1 : 1));
}

/** The locks of a whole transaction; see `wishesFor`. */
export function wishesOf(transaction: Transaction, discipline: LockDiscipline): LockWish[] {
  return wishesFor(accessSetOf(transaction), discipline);
}

/** The lock on an account; undefined when it is free. */
export function lockOn(view: Pick<StateView, "get">, address: Address): LockEntry | undefined {
  const value = view.get(lockKey(address));
  return value?.kind === "lock" ? value : undefined;
}

/**
 * Takes all locks or none.
 *
 * @returns the accounts whose locks are in the way; empty when all were taken
 */
export function tryLock(
  view: StateView,
  txId: TransactionId,
  wishes: readonly LockWish[],
): Address[] {
  const inTheWay = wishes.filter(
    ({ address, mode }) => !isFreeFor(lockOn(view, address), txId, mode),
  );
  if (inTheWay.length > 0) return inTheWay.map(({ address }) => address);
  for (const wish of wishes) grant(view, txId, wish);
  return [];
}

/**
 * Asks for one lock and, where it is taken, stands in line: first come, first served, readers too,
 * so that nobody starves.
 *
 * @returns whether the transaction holds the lock now
 */
export function lockOrWait(view: StateView, txId: TransactionId, wish: LockWish): boolean {
  const entry = lockOn(view, wish.address);
  const isFirst = entry === undefined || entry.waiting.length === 0;
  if (isFirst && isFreeFor(entry, txId, wish.mode)) {
    grant(view, txId, wish);
    return true;
  }
  if (entry === undefined || entry.waiting.some((claim) => claim.txId === txId)) return false;
  if (entry.holders.some((claim) => claim.txId === txId && covers(claim.mode, wish.mode)))
    return true;
  const waiting = [...entry.waiting, { txId, mode: wish.mode }];
  view.set(lockKey(wish.address), { ...entry, waiting });
  return false;
}

/** A lock that passed to a transaction that waited for it. */
export interface LockGrant extends LockWish {
  readonly txId: TransactionId;
}

/**
 * Gives back what a transaction holds of these accounts' locks, and its place in their lines.
 *
 * @returns the locks that passed on to others by this, in order
 */
export function unlock(
  view: StateView,
  txId: TransactionId,
  addresses: Iterable<Address>,
): LockGrant[] {
  const grants: LockGrant[] = [];
  for (const address of addresses) {
    const entry = lockOn(view, address);
    if (entry === undefined) continue;
    const holders = entry.holders.filter((claim) => claim.txId !== txId);
    const waiting = entry.waiting.filter((claim) => claim.txId !== txId);
    if (holders.length + waiting.length === entry.holders.length + entry.waiting.length) continue;
    while (waiting.length > 0 && mayJoin(holders, waiting[0] as LockClaim)) {
      const claim = waiting.shift() as LockClaim;
      const own = holders.findIndex(({ txId: holder }) => holder === claim.txId);
      if (own >= 0) holders.splice(own, 1);
      holders.push(claim);
      grants.push({ address, txId: claim.txId, mode: claim.mode });
    }
    const isFree = holders.length === 0;
    view.set(lockKey(address), isFree ? undefined : { kind: "lock", address, holders, waiting });
  }
  return grants;
}

/** A transaction that waits for a lock which another holds. */
export interface LockWait {
  readonly waiter: TransactionId;
  readonly holder: TransactionId;
  readonly address: Address;
}

/** Who waits for whom on a shard. A circle in it, also over several shards, is a deadlock. */
export function lockWaits(state: LedgerState): LockWait[] {
  const waits: LockWait[] = [];
  for (const value of state.values()) {
    if (value.kind !== "lock") continue;
    for (const { txId: waiter } of value.waiting) {
      for (const { txId: holder } of value.holders) {
        if (holder !== waiter) waits.push({ waiter, holder, address: value.address });
      }
    }
  }
  return waits;
}

function isFreeFor(entry: LockEntry | undefined, txId: TransactionId, mode: LockMode): boolean {
  if (entry === undefined) return true;
  // Jumping a line would starve who waits; a lock already held may be used again.
  const holds = entry.holders.some((claim) => claim.txId === txId);
  if (entry.waiting.length > 0 && !holds) return false;
  return mayJoin(entry.holders, { txId, mode });
}

function mayJoin(holders: readonly LockClaim[], claim: LockClaim): boolean {
  return holders.every(
    ({ txId, mode }) => txId === claim.txId || (mode === "read" && claim.mode === "read"),
  );
}

function covers(held: LockMode, wanted: LockMode): boolean {
  return held === "write" || wanted === "read";
}

function grant(view: StateView, txId: TransactionId, { address, mode }: LockWish): void {
  const entry = lockOn(view, address);
  const others = entry?.holders.filter((claim) => claim.txId !== txId) ?? [];
  const own = entry?.holders.find((claim) => claim.txId === txId);
  const held: LockMode = own !== undefined && covers(own.mode, mode) ? own.mode : mode;
  view.set(lockKey(address), {
    kind: "lock",
    address,
    holders: [...others, { txId, mode: held }],
    waiting: entry?.waiting ?? [],
  });
}
