import type { Address, ShardId } from "../ledger/address.ts";
import { EMPTY_CARRY } from "../ledger/execution.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import { accountIn } from "../ledger/state.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { ChainId } from "./chain.ts";
import type { ChainContext } from "./chain-context.ts";
import { emptyLine, isFirstInLine, type LineState, leaveLine, standInLine } from "./haechi-line.ts";
import {
  type CallListData,
  type CrossLinkData,
  type EntryData,
  inPieces,
  type TurnData,
} from "./haechi-messages.ts";
import { planOf, stepShards } from "./haechi-plan.ts";
import { type AccountValue, applyValues, evaluate } from "./remote-values.ts";
import { runHop } from "./run-hop.ts";

/** What Haechi keeps for a shard. */
export interface ShardState extends LineState {
  /** Transactions that the present block has processed. */
  readonly entries: EntryData[];
  /** CrossLinks to send; in lock-step they wait for a CallList. */
  readonly links: CrossLinkData[];
  /** Height of the first block that may send a CrossLink; infinite while a CallList is awaited. */
  linksFrom: number;
  /** Ordered here and not done. */
  readonly turns: Map<TransactionId, TurnData>;
  readonly bodies: Map<TransactionId, Transaction>;
  /** Values that other shards have told. */
  readonly told: Map<TransactionId, readonly ToldValues[]>;
  /** Values that others have been told from here. */
  readonly offered: Map<TransactionId, readonly AccountValue[]>;
  /** What transactions whose values were told may still take, wei: fees must leave it. */
  readonly reserved: Map<Address, bigint>;
}

interface ToldValues {
  readonly from: ShardId;
  readonly values: readonly AccountValue[];
}

/** First state of a shard. */
export function emptyShard(): ShardState {
  return {
    ...emptyLine(),
    entries: [],
    links: [],
    linksFrom: 0,
    turns: new Map(),
    bodies: new Map(),
    told: new Map(),
    offered: new Map(),
    reserved: new Map(),
  };
}

type Context = ChainContext<ShardState>;

/**
 * Processes a transaction on its sender's shard: admits it and enters it into the block's
 * CrossLink. Nothing is executed before it is ordered.
 */
export function processTransaction(chain: Context, transaction: Transaction, index: number): void {
  const { record, state, topology } = chain;
  const { id } = transaction;
  const { parts, refusal: unsupported } = planOf(transaction, topology.placement);
  record.begin(id, parts.length);
  const refusal = admit(chain, transaction) ?? unsupported;
  if (refusal !== undefined) {
    record.decide(id, { outcome: "abort", reason: refusal, parts: 0 });
    return;
  }
  state.entries.push({ index, txId: id, parts });
  if (parts.some(({ shard }) => shard === chain.chain.id)) {
    state.bodies.set(id, transaction);
    record.waits(id, "orderingWait");
  } else {
    for (const { shard } of parts) chain.send(shard, { kind: "body", transaction });
  }
}

/** Sends the block's CrossLink, empty or not; in lock-step, a block after the last is answered. */
export function sendCrossLink(chain: Context, isLockStep: boolean): void {
  const { state, topology, height, timestampMs } = chain;
  const pieces = inPieces(state.entries);
  pieces.forEach((entries, i) => {
    state.links.push({ height, timestampMs, isLast: i === pieces.length - 1, entries });
  });
  state.entries.length = 0;
  if (height < state.linksFrom) return;
  for (const data of state.links) {
    const about = data.entries.map(({ txId }) => txId);
    chain.send(topology.shards, { kind: "crossLink", about, data });
  }
  state.links.length = 0;
  if (isLockStep) state.linksFrom = Number.POSITIVE_INFINITY;
}

/** The beacon says what comes next on this shard. */
export function takeCallList(chain: Context, { isLast, turns }: CallListData): void {
  const { state } = chain;
  chain.charge("order", turns.length);
  for (const turn of turns) {
    state.turns.set(turn.txId, turn);
    standInLine(state, turn.txId, turn);
    goOn(chain, turn.txId);
  }
  const isAnswer = isLast && state.linksFrom === Number.POSITIVE_INFINITY;
  if (isAnswer) state.linksFrom = chain.height + 1;
}

/** The sender's shard, which has no part in it, hands a transaction over. */
export function takeBody(chain: Context, transaction: Transaction): void {
  chain.state.bodies.set(transaction.id, transaction);
  goOnOrWait(chain, transaction.id);
}

/** Another shard tells what a transaction finds there; the home shard, with the transaction. */
export function takeValues(
  chain: Context,
  txId: TransactionId,
  told: ToldValues,
  transaction: Transaction | undefined,
): void {
  const { state } = chain;
  if (transaction !== undefined) state.bodies.set(txId, transaction);
  state.told.set(txId, [...(state.told.get(txId) ?? []), told]);
  goOnOrWait(chain, txId);
}

/** Fee and nonce; the fee must leave what an ordered transaction may still take. */
function admit(chain: Context, transaction: Transaction): FailureReason | undefined {
  const { sender, fee } = transaction;
  const reserved = chain.state.reserved.get(sender) ?? 0n;
  const { balance } = accountIn(chain.ledger, sender);
  return reserved > 0n && balance - reserved < fee ? "feeNotCovered" : chain.admit(transaction);
}

function goOnOrWait(chain: Context, txId: TransactionId): void {
  goOn(chain, txId);
  const isOpen = chain.state.bodies.has(txId);
  if (isOpen && !isFirstInLine(chain.state, txId)) chain.record.waits(txId, "orderingWait");
}

/** Does what can be done of a transaction, then of those that stood behind it. */
function goOn(chain: Context, txId: TransactionId): void {
  const next = [txId];
  for (let at = 0; at < next.length; at++) next.push(...takeTurn(chain, next[at] as string));
}

/** @returns whose turn has come by that */
function takeTurn(chain: Context, txId: TransactionId): TransactionId[] {
  const { state } = chain;
  const turn = state.turns.get(txId);
  if (turn === undefined || !isFirstInLine(state, txId)) return [];
  chain.record.goesOn(txId);
  const transaction = state.bodies.get(txId);
  if (turn.tells.length > 0 && !state.offered.has(txId)) offer(chain, turn, transaction);
  const told = state.told.get(txId) ?? [];
  const isTold = turn.needs.every((shard) => told.some(({ from }) => from === shard));
  if (transaction === undefined || !isTold) return [];
  const shards = stepShards(transaction, chain.topology.placement);
  if (shards.length === 1) runAlone(chain, transaction);
  else runPart(chain, turn, transaction, shards);
  state.turns.delete(txId);
  state.bodies.delete(txId);
  state.told.delete(txId);
  state.offered.delete(txId);
  for (const [address] of turn.takes) state.reserved.delete(address);
  return leaveLine(state, txId, turn);
}

/** Tells other shards the values of the accounts here; the home shard hands the body on, too. */
function offer(chain: Context, turn: TurnData, transaction: Transaction | undefined): void {
  const { state, ledger, topology } = chain;
  const { txId, takes, tells } = turn;
  const values = valuesHere(chain, turn);
  const isHome =
    transaction !== undefined && topology.placement.shardOf(transaction.sender) === chain.chain.id;
  const about = isHome ? { transaction } : { txId };
  for (const shard of tells) chain.send(shard, { kind: "values", ...about, data: { values } });
  for (const [address, wei] of takes) {
    state.reserved.set(address, wei ?? accountIn(ledger, address).balance);
  }
  state.offered.set(txId, values);
}

function valuesHere({ ledger }: Context, { reads, writes }: TurnData): AccountValue[] {
  return [...reads, ...writes].map((address) => {
    const { balance, word } = accountIn(ledger, address);
    return [address, balance, word];
  });
}

/** All of the transaction is done here. */
function runAlone(chain: Context, transaction: Transaction): void {
  const { record } = chain;
  const { id, steps } = transaction;
  const range = { from: 0, to: steps.length, isLast: true };
  const outcome = runHop(chain, transaction, range, EMPTY_CARRY);
  if (outcome.ok) record.decide(id, { outcome: "commit", parts: 1 });
  else record.decide(id, { outcome: "abort", reason: outcome.reason, parts: 1 });
  record.settle(id, 0, outcome.ok ? "commit" : "abort");
}

/**
 * Computes what becomes of the accounts here. Every shard comes to the same decision by itself, so
 * that nobody has to wait for it or undo anything.
 */
function runPart(
  chain: Context,
  turn: TurnData,
  transaction: Transaction,
  shards: readonly ChainId[],
): void {
  const { record, state } = chain;
  const { id } = transaction;
  const own = state.offered.get(id) ?? valuesHere(chain, turn);
  const values = [...own, ...(state.told.get(id) ?? []).flatMap((told) => told.values)];
  const { reason, values: after } = evaluate(transaction, values);
  const parts = shards.length;
  const part = shards.indexOf(chain.chain.id);
  if (reason !== undefined) {
    record.decide(id, { outcome: "abort", reason, parts });
    record.settle(id, part, "abort");
    return;
  }
  record.decide(id, { outcome: "commit", parts });
  applyValues(chain, transaction, values, after);
  record.settle(id, part, "commit");
}
