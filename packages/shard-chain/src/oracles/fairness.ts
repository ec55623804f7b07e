import type { TransactionId } from "../ledger/transaction.ts";
import { ACCESS, OUTCOME, type ProcessedAt, type RunHistory } from "./history.ts";
import { countInversions } from "./inversions.ts";
import { compareProcessed } from "./processing-order.ts";
import { Findings, type Verdict } from "./verdict.ts";

/**
 * Finalisation fairness: of two transactions that conflict on a key (one of them writes it), the
 * one processed first executes first. Counts inversions, pairs a key, against the processing order
 * (`compareProcessed`) and, beside it, against the true virtual times at which the blocks were
 * committed, where blocks committed at one moment are in no order. The first decides.
 *
 * A transaction's place on a key is its first access there; aborted ones do not count.
 *
 * @see Haechi (arXiv 2306.06299), abstract, for the property; the count is ours
 */
export function checkFairness(history: RunHistory): Verdict {
  const ranks = rankProcessed(history);
  const findings = new Findings();
  const facts = { fairnessInversions: 0, trueTimeInversions: 0, conflictingPairs: 0 };
  for (const [key, visits] of visitsByKey(history, ranks.agreed)) {
    const writes = visits.filter(({ writes: isWrite }) => isWrite).length;
    const reads = visits.length - writes;
    facts.conflictingPairs += pairs(visits.length) - pairs(reads);
    if (writes === 0) continue;
    const inversions = conflictInversions(visits, ranks.agreed);
    facts.fairnessInversions += inversions;
    facts.trueTimeInversions += conflictInversions(visits, ranks.trueTime);
    if (inversions === 0) continue;
    const [early, late] = firstInversion(visits, ranks.agreed, history);
    findings.add(
      `on ${history.keys.nameOf(key)}, ${early} was processed before ${late} but executed after ` +
        `it; ${inversions} such pairs on this key`,
      [early, late],
    );
  }
  return findings.verdict("fairness", facts);
}

/** A transaction's first access of a key. */
interface Visit {
  readonly transaction: number;
  readonly writes: boolean;
}

interface Ranks {
  /** By transaction; NaN where it was never processed. */
  readonly agreed: Float64Array;
  readonly trueTime: Float64Array;
}

function rankProcessed(history: RunHistory): Ranks {
  const agreed = new Float64Array(history.transactions.count).fill(Number.NaN);
  const trueTime = new Float64Array(history.transactions.count).fill(Number.NaN);
  const order: { transaction: number; at: ProcessedAt }[] = [];
  for (let transaction = 0; transaction < agreed.length; transaction++) {
    const at = history.processedAt(transaction);
    if (at !== undefined) order.push({ transaction, at });
  }
  order.sort((one, other) => compareProcessed(one.at, other.at));
  order.forEach(({ transaction, at }, rank) => {
    agreed[transaction] = rank;
    trueTime[transaction] = at.committedAtMs;
  });
  return { agreed, trueTime };
}

function visitsByKey(history: RunHistory, ranks: Float64Array): Map<number, Visit[]> {
  const { transaction, key, kind } = history.accesses;
  const byKey = new Map<number, Map<number, boolean>>();
  for (let i = 0; i < transaction.length; i++) {
    const who = transaction.at(i);
    if (kind.at(i) === ACCESS.undo || history.outcomes[who] === OUTCOME.abort) continue;
    if (Number.isNaN(ranks[who])) continue;
    let visits = byKey.get(key.at(i));
    if (visits === undefined) {
      visits = new Map();
      byKey.set(key.at(i), visits);
    }
    visits.set(who, visits.get(who) === true || kind.at(i) === ACCESS.write);
  }
  const lists = new Map<number, Visit[]>();
  for (const [number, visits] of byKey) {
    lists.set(
      number,
      Array.from(visits, ([who, writes]) => ({ transaction: who, writes })),
    );
  }
  return lists;
}

/** Inversions among all visits less those between two readers, who do not conflict. */
function conflictInversions(visits: readonly Visit[], ranks: Float64Array): number {
  const ranksOf = (some: readonly Visit[]) =>
    Float64Array.from(some, ({ transaction }) => ranks[transaction] as number);
  const readers = visits.filter(({ writes }) => !writes);
  return countInversions(ranksOf(visits)) - countInversions(ranksOf(readers));
}

/** A pair that shows an inversion: processed early but executed late, and what overtook it. */
function firstInversion(
  visits: readonly Visit[],
  ranks: Float64Array,
  history: RunHistory,
): [TransactionId, TransactionId] {
  const nameOf = ({ transaction }: Visit) => history.transactions.nameOf(transaction);
  const rankOf = ({ transaction }: Visit) => ranks[transaction] as number;
  let latest: Visit | undefined;
  let latestWriter: Visit | undefined;
  for (const visit of visits) {
    const rival = visit.writes ? latest : latestWriter;
    if (rival !== undefined && rankOf(rival) > rankOf(visit)) return [nameOf(visit), nameOf(rival)];
    if (latest === undefined || rankOf(visit) > rankOf(latest)) latest = visit;
    if (visit.writes && (latestWriter === undefined || rankOf(visit) > rankOf(latestWriter))) {
      latestWriter = visit;
    }
  }
  return ["", ""];
}

function pairs(count: number): number {
  return (count * (count - 1)) / 2;
}
