import { OUTCOME, type Outcome, type RunHistory, type SettledPart } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/**
 * Atomicity: all parts of a transaction end alike, each once, and as the transaction is said to
 * have ended.
 *
 * @param options `isDrained`: nothing was in flight any more when the record ended, so that a
 *        transaction without an end is a violation too
 */
export function checkAtomicity(history: RunHistory, options: { isDrained: boolean }): Verdict {
  const findings = new Findings();
  const parts = partsByTransaction(history, findings);
  let unfinishedCount = 0;
  for (let transaction = 0; transaction < history.transactions.count; transaction++) {
    const partCount = history.partCounts[transaction] as number;
    if (partCount === 0) continue;
    const settled = parts.get(transaction) ?? [];
    const outcome = history.outcomes[transaction];
    if (outcome === OUTCOME.none) unfinishedCount++;
    const txId = history.transactions.nameOf(transaction);
    const problem =
      findMixed(settled) ??
      (outcome === OUTCOME.none
        ? findUnfinished(settled, partCount, options.isDrained)
        : findMismatch(settled, partCount, outcome === OUTCOME.commit ? "commit" : "abort"));
    if (problem !== undefined) findings.add(`${txId} ${problem}`, [txId]);
  }
  return findings.verdict("atomicity", { unfinishedCount });
}

function partsByTransaction(history: RunHistory, findings: Findings): Map<number, SettledPart[]> {
  const parts = new Map<number, SettledPart[]>();
  for (let entry = 0; entry < history.settledCount; entry++) {
    const settled = history.settledPart(entry);
    const { transaction, part, shard } = settled;
    const txId = history.transactions.nameOf(transaction);
    const known = parts.get(transaction);
    const partCount = history.partCounts[transaction] as number;
    if (part < 0 || part >= partCount) {
      findings.add(`${txId} ended part ${part} on shard ${shard}, but has ${partCount}`, [txId]);
    } else if (known?.some((other) => other.part === part)) {
      findings.add(`${txId} ended part ${part} twice, the second time on shard ${shard}`, [txId]);
    } else if (known === undefined) {
      parts.set(transaction, [settled]);
    } else {
      known.push(settled);
    }
  }
  return parts;
}

function findMixed(settled: readonly SettledPart[]): string | undefined {
  const committed = settled.find(({ outcome }) => outcome === "commit");
  const aborted = settled.find(({ outcome }) => outcome === "abort");
  if (committed === undefined || aborted === undefined) return undefined;
  return (
    `committed part ${committed.part} on shard ${committed.shard} ` +
    `and aborted part ${aborted.part} on shard ${aborted.shard}`
  );
}

function findMismatch(
  settled: readonly SettledPart[],
  partCount: number,
  outcome: Outcome,
): string | undefined {
  const other = settled.find((part) => part.outcome !== outcome);
  if (other !== undefined) {
    return `is said to ${outcome}, but part ${other.part} on shard ${other.shard} did not`;
  }
  // A part that never began has nothing to abort.
  if (outcome === "abort" || settled.length === partCount) return undefined;
  return `is said to commit, but only ${settled.length} of its ${partCount} parts did`;
}

function findUnfinished(
  settled: readonly SettledPart[],
  partCount: number,
  isDrained: boolean,
): string | undefined {
  if (!isDrained) return undefined;
  return `never ended: ${settled.length} of its ${partCount} parts did`;
}
