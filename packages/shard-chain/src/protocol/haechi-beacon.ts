import type { ShardId } from "../ledger/address.ts";
import { compareProcessed, type ProcessedPlace } from "../oracles/processing-order.ts";
import type { ChainContext } from "./chain-context.ts";
import type { CallListData, CrossLinkData, EntryData, TurnData } from "./haechi-messages.ts";
import { inPieces } from "./haechi-messages.ts";

/** A processed transaction that waits to be ordered. */
export interface QueuedEntry {
  readonly at: ProcessedPlace;
  readonly entry: EntryData;
}

/** What the beacon keeps. */
export interface BeaconState {
  /** By shard: the least place that a transaction of a later CrossLink of it can have. */
  readonly frontiers: Map<ShardId, ProcessedPlace>;
  /** Shards whose CrossLink has come since the last CallLists. */
  readonly fresh: Set<ShardId>;
  queued: QueuedEntry[];
}

/** First state: nothing known of any shard. */
export function emptyBeacon(): BeaconState {
  return { frontiers: new Map(), fresh: new Set(), queued: [] };
}

/** Takes a shard's CrossLink in. Those of a shard come in the order of its blocks, without gaps. */
export function takeCrossLink(state: BeaconState, link: CrossLinkData, shard: ShardId): void {
  const { height, timestampMs, isLast, entries } = link;
  for (const entry of entries) {
    state.queued.push({ at: { timestampMs, shard, height, index: entry.index }, entry });
  }
  if (!isLast) return;
  state.frontiers.set(shard, { timestampMs, shard, height: height + 1, index: 0 });
  state.fresh.add(shard);
}

/**
 * The finalisation-fairness rule: orders what comes before everything that any shard may still
 * send, and keeps the rest. An agreed time never falls from block to block, so a shard's next
 * transaction stands at or after the time of its last block, idle or not; the shard furthest behind
 * bounds the order. Nothing is ever ordered that an earlier transaction could still come before,
 * however much faster one shard makes blocks than another, and in whichever order CrossLinks come.
 *
 * @param shards how many shards there are; nothing is ordered before each has sent something
 * @returns what is ordered now, after all that was ordered before
 */
export function takeOrdered(state: BeaconState, shards: number): QueuedEntry[] {
  const { frontiers, queued } = state;
  if (frontiers.size < shards) return [];
  const bound = [...frontiers.values()].reduce((least, place) =>
    compareProcessed(place, least) < 0 ? place : least,
  );
  const ordered: QueuedEntry[] = [];
  const kept: QueuedEntry[] = [];
  for (const one of queued) (compareProcessed(one.at, bound) < 0 ? ordered : kept).push(one);
  if (ordered.length > 0) state.queued = kept;
  return ordered.sort((one, other) => compareProcessed(one.at, other.at));
}

/**
 * Orders what can be ordered at the end of the beacon's block, and tells each shard what concerns
 * it.
 *
 * @param isLockStep orders only once every shard has sent a CrossLink since the last time, and then
 *        sends a CallList to every shard, empty or not
 */
export function sendCallLists(chain: ChainContext<BeaconState>, isLockStep: boolean): void {
  const { state, topology } = chain;
  const { shards } = topology;
  if (isLockStep) {
    if (state.fresh.size < shards) return;
    state.fresh.clear();
  }
  const ordered = takeOrdered(state, shards);
  chain.charge("order", ordered.length);
  for (const { entry } of ordered) chain.record.goesOn(entry.txId);
  const lists = callLists(ordered);
  for (let shard = 0; shard < shards; shard++) {
    const turns = lists.get(shard) ?? [];
    if (turns.length === 0 && !isLockStep) continue;
    const pieces = inPieces(turns);
    pieces.forEach((piece, i) => {
      const data: CallListData = { isLast: i === pieces.length - 1, turns: piece };
      chain.send(shard, { kind: "callList", about: piece.map(({ txId }) => txId), data });
    });
  }
}

/** By shard: the turns of the transactions that touch it, in order. */
function callLists(ordered: readonly QueuedEntry[]): Map<ShardId, TurnData[]> {
  const lists = new Map<ShardId, TurnData[]>();
  for (const { entry } of ordered) {
    const { txId, parts } = entry;
    for (const { shard, ...part } of parts) {
      const list = lists.get(shard) ?? [];
      list.push({ txId, ...part });
      lists.set(shard, list);
    }
  }
  return lists;
}
