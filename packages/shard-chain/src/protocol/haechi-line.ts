import type { Address } from "../ledger/address.ts";
import type { TransactionId } from "../ledger/transaction.ts";

/** Who has last been put in line for an account and has not left. */
interface Tail {
  readonly writer: TransactionId | undefined;
  /** Those who read what the writer leaves. */
  readonly readers: readonly TransactionId[];
}

/** Transactions in line for the accounts of one shard. */
export interface LineState {
  readonly tails: Map<Address, Tail>;
  /** By transaction in line: how many it still comes after, counted once an account. */
  readonly ahead: Map<TransactionId, number>;
  /** Who comes right after a transaction. */
  readonly followers: Map<TransactionId, readonly TransactionId[]>;
}

/** What a transaction touches, each account in one of the lists. */
export interface LineAccess {
  readonly reads: readonly Address[];
  readonly writes: readonly Address[];
}

/** First state: nobody in line. */
export function emptyLine(): LineState {
  return { tails: new Map(), ahead: new Map(), followers: new Map() };
}

/**
 * Puts a transaction behind all that were put in line before and conflict with it: that share an
 * account which one of the two writes. Readers of an account stand side by side. Since everybody
 * is put in line in one global order, nobody ever waits in a circle, on however many shards.
 */
export function standInLine(line: LineState, txId: TransactionId, access: LineAccess): void {
  let ahead = 0;
  const follow = (before: TransactionId) => {
    line.followers.set(before, [...(line.followers.get(before) ?? []), txId]);
    ahead++;
  };
  for (const address of access.reads) {
    const { writer, readers } = line.tails.get(address) ?? { writer: undefined, readers: [] };
    if (writer !== undefined) follow(writer);
    line.tails.set(address, { writer, readers: [...readers, txId] });
  }
  for (const address of access.writes) {
    const { writer, readers } = line.tails.get(address) ?? { writer: undefined, readers: [] };
    // Readers come after the writer themselves.
    if (readers.length > 0) readers.forEach(follow);
    else if (writer !== undefined) follow(writer);
    line.tails.set(address, { writer: txId, readers: [] });
  }
  line.ahead.set(txId, ahead);
}

/** Whether a transaction stands in line and comes after nobody. */
export function isFirstInLine(line: LineState, txId: TransactionId): boolean {
  return line.ahead.get(txId) === 0;
}

/**
 * A transaction has done what it does here.
 *
 * @returns those who come after nobody now, in the order in which they were put in line
 */
export function leaveLine(
  line: LineState,
  txId: TransactionId,
  { reads, writes }: LineAccess,
): TransactionId[] {
  for (const address of [...reads, ...writes]) leaveTail(line, txId, address);
  line.ahead.delete(txId);
  const freed: TransactionId[] = [];
  for (const follower of line.followers.get(txId) ?? []) {
    const ahead = (line.ahead.get(follower) ?? 0) - 1;
    line.ahead.set(follower, ahead);
    if (ahead === 0) freed.push(follower);
  }
  line.followers.delete(txId);
  return freed;
}

function leaveTail({ tails }: LineState, txId: TransactionId, address: Address): void {
  const tail = tails.get(address);
  if (tail === undefined) return;
  const writer = tail.writer === txId ? undefined : tail.writer;
  const readers = tail.readers.filter((reader) => reader !== txId);
  if (writer === undefined && readers.length === 0) tails.delete(address);
  else tails.set(address, { writer, readers });
}
