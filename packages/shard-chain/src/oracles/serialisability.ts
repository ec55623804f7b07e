import type { TransactionId } from "../ledger/transaction.ts";
import { buildDependencies } from "./dependencies.ts";
import { type DependencyGraph, findShortCycle, findTangles } from "./dependency-graph.ts";
import type { RunHistory } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/**
 * Serialisability: some order of the committed transactions, one after the other, gives the same
 * reads and the same versions. That is so exactly if the graph of their dependencies (write-write,
 * write-read, read-write) has no cycle, and nobody read what an aborted transaction wrote.
 *
 * Linear in the record. Each tangle of transactions is told by one short cycle.
 *
 * @see Adya 1999, Weak Consistency, sections 3.2 and 4: the direct serialisation graph
 */
export function checkSerialisability(history: RunHistory): Verdict {
  const findings = new Findings();
  const graph = buildDependencies(history, findings);
  const tangles = findTangles(graph);
  for (const members of tangles) {
    const cycle = findShortCycle(graph, members);
    const names = cycle.map((edge) => history.transactions.nameOf(graph.from.at(edge)));
    findings.add(
      `${members.length} transactions wait for each other in a circle: ` +
        tellCycle(graph, cycle, names, history),
      names,
    );
  }
  return findings.verdict("serialisability", {
    dependencyCount: graph.from.length,
    tangleCount: tangles.length,
    tangledTransactions: tangles.reduce((sum, { length }) => sum + length, 0),
  });
}

const VERBS = ["was overwritten by", "was read by", "read before the write of"] as const;

function tellCycle(
  graph: DependencyGraph,
  cycle: readonly number[],
  names: readonly TransactionId[],
  history: RunHistory,
): string {
  const steps = cycle.map((edge, i) => {
    const key = history.keys.nameOf(graph.key.at(edge));
    const next = names[(i + 1) % names.length];
    return `${names[i]} ${VERBS[graph.kind.at(edge)]} ${next} (${key})`;
  });
  return steps.join("; ");
}
