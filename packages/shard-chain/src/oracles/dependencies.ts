import { DEPENDENCY, DependencyGraph } from "./dependency-graph.ts";
import { ACCESS, CURRENT, GENESIS, OUTCOME, type RunHistory } from "./history.ts";
import type { Findings } from "./verdict.ts";

/** A version of a key: who wrote it, and whether that was taken back. */
interface Version {
  readonly writer: number;
  /** Index of the version it was made from. */
  readonly base: number;
  isUndone: boolean;
}

/** What happened to one key. Version 0 is genesis. */
interface KeyRecord {
  readonly versions: Version[];
  /** Reader and index of the version it saw, in turn. */
  readonly reads: number[];
}

/**
 * The dependencies of a record, key by key: each version's writer before the next version's, each
 * reader after the writer of what it saw and before the next writer. Reads of aborted writes and of
 * versions that never were go to the findings.
 */
export function buildDependencies(history: RunHistory, findings: Findings): DependencyGraph {
  const graph = new DependencyGraph(history.transactions.count);
  keyRecords(history, findings).forEach((record, key) => {
    addDependencies(graph, history, findings, record, key);
  });
  return graph;
}

function keyRecords(history: RunHistory, findings: Findings): KeyRecord[] {
  const { transaction, key, kind, observed } = history.accesses;
  const records = Array.from({ length: history.keys.count }, (): KeyRecord => {
    return { versions: [{ writer: GENESIS, base: 0, isUndone: false }], reads: [] };
  });
  for (let i = 0; i < transaction.length; i++) {
    const who = transaction.at(i);
    const record = records[key.at(i)] as KeyRecord;
    const { versions, reads } = record;
    if (kind.at(i) === ACCESS.write) {
      versions.push({ writer: who, base: findVersion(versions, CURRENT), isUndone: false });
    } else if (kind.at(i) === ACCESS.undo) {
      const written = versions.findLast(({ writer, isUndone }) => writer === who && !isUndone);
      if (written !== undefined) written.isUndone = true;
    } else {
      const seen = findVersion(versions, observed.at(i));
      if (seen >= 0) reads.push(who, seen);
      else tellUnknownVersion(history, findings, i);
    }
  }
  return records;
}

/** Index of the newest version that a read means; -1 when there is none. */
function findVersion(versions: readonly Version[], observed: number): number {
  if (observed === GENESIS) return 0;
  for (let i = versions.length - 1; i >= 0; i--) {
    const { writer, isUndone } = versions[i] as Version;
    if (observed === CURRENT ? !isUndone : writer === observed) return i;
  }
  return -1;
}

function tellUnknownVersion(history: RunHistory, findings: Findings, access: number): void {
  const { transaction, key, observed } = history.accesses;
  const reader = history.transactions.nameOf(transaction.at(access));
  const writer = history.transactions.nameOf(observed.at(access));
  findings.add(
    `${reader} says it read ${history.keys.nameOf(key.at(access))} as ${writer} wrote it, ` +
      "but that transaction had not written it",
    [reader, writer],
  );
}

function addDependencies(
  graph: DependencyGraph,
  history: RunHistory,
  findings: Findings,
  { versions, reads }: KeyRecord,
  key: number,
): void {
  const isAborted = (who: number) => who >= 0 && history.outcomes[who] === OUTCOME.abort;
  const stands = ({ writer, isUndone }: Version) => !isUndone && !isAborted(writer);
  const nextWriter = nextWriters(versions, stands);
  const tellDirty = (who: number, seen: number) => {
    const names = [who, seen].map((transaction) => history.transactions.nameOf(transaction));
    findings.add(
      `${names[0]} read ${history.keys.nameOf(key)} as ${names[1]} wrote it, which aborted`,
      names,
    );
  };
  versions.forEach((version, i) => {
    if (!stands(version)) return;
    const { writer } = versions[version.base] as Version;
    if (isAborted(writer)) tellDirty(version.writer, writer);
    graph.add(version.writer, nextWriter[i] as number, DEPENDENCY.writeWrite, key);
  });
  for (let i = 0; i < reads.length; i += 2) {
    const reader = reads[i] as number;
    const seen = reads[i + 1] as number;
    if (isAborted(reader)) continue;
    const { writer } = versions[seen] as Version;
    if (isAborted(writer) && writer !== reader) {
      tellDirty(reader, writer);
      continue;
    }
    graph.add(writer, reader, DEPENDENCY.writeRead, key);
    graph.add(reader, nextWriter[seen] as number, DEPENDENCY.readWrite, key);
  }
}

/** By version: the writer of the next version that stands; `GENESIS` when it is the last. */
function nextWriters(versions: readonly Version[], stands: (version: Version) => boolean) {
  const next = new Array<number>(versions.length);
  let writer = GENESIS;
  for (let i = versions.length - 1; i >= 0; i--) {
    next[i] = writer;
    const version = versions[i] as Version;
    if (stands(version)) writer = version.writer;
  }
  return next;
}
