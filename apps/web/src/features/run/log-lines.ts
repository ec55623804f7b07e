/** One line of a log, as the server gives it. */
export interface LogLineRow {
  /** Counts from 1. */
  no: number;
  /** ms since the attempt's start. */
  t: number;
  level: "debug" | "info" | "warn" | "error";
  text: string;
}

/** What is known of a log that is being followed. */
export interface FollowedLog {
  attempt: number | null;
  lines: LogLineRow[];
  nextLine: number;
  total: number;
}

/** Lines kept in the page; earlier ones are in the download. */
export const LINES_KEPT = 20_000;

/**
 * Adds what was fetched after `known.nextLine`. A new attempt starts its log anew. Lines that are
 * there already are not doubled.
 */
export function mergeLog(known: FollowedLog | undefined, fetched: FollowedLog): FollowedLog {
  if (known === undefined || known.attempt !== fetched.attempt) return fetched;
  const last = known.lines.at(-1)?.no ?? 0;
  const fresh = fetched.lines.filter((line) => line.no > last);
  const lines = fresh.length === 0 ? known.lines : [...known.lines, ...fresh].slice(-LINES_KEPT);
  return { ...fetched, lines, nextLine: Math.max(known.nextLine, fetched.nextLine) };
}

/** Lines of at least a level. */
export function atLeast(lines: readonly LogLineRow[], level: LogLineRow["level"]): LogLineRow[] {
  const order = ["debug", "info", "warn", "error"];
  const low = order.indexOf(level);
  return lines.filter((line) => order.indexOf(line.level) >= low);
}
