import { createHash } from "node:crypto";
import { CncError } from "../errors.ts";

/** What an entry records; plain data. */
export type AuditRecord = Readonly<Record<string, string | number | boolean | null>>;

/** One line of the log. `hash` covers everything before it and, through `previous`, all before. */
export interface AuditEntry {
  index: number;
  atMs: number;
  kind: string;
  record: AuditRecord;
  /** Hash of the entry before; of the first: 64 zeros. */
  previous: string;
  hash: string;
}

const FIRST = "0".repeat(64);

/**
 * An append-only log in which no entry can be changed, left out or moved unnoticed: each carries
 * the SHA-256 of itself and the hash before. Whoever keeps the last hash elsewhere also notices a
 * cut end.
 */
export class AuditLog {
  readonly #entries: AuditEntry[] = [];

  get entries(): readonly AuditEntry[] {
    return this.#entries;
  }

  /** Hash of the last entry: what to keep elsewhere. */
  get head(): string {
    return this.#entries.at(-1)?.hash ?? FIRST;
  }

  append(atMs: number, kind: string, record: AuditRecord): AuditEntry {
    const body = { index: this.#entries.length, atMs, kind, record, previous: this.head };
    const entry = { ...body, hash: hashOf(body) };
    this.#entries.push(entry);
    return entry;
  }

  /** The log as JSON lines. */
  toJsonLines(): string {
    return this.#entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  }
}

/**
 * Checks a log.
 *
 * @param head hash of the last entry, if it was kept elsewhere
 * @throws CncError `AUDIT_BROKEN` with the first entry that does not fit
 */
export function verifyAudit(entries: readonly AuditEntry[], head?: string): void {
  let previous = FIRST;
  entries.forEach((entry, i) => {
    if (entry.index !== i) throw broken(i, `it says it is entry ${entry.index}`);
    if (entry.previous !== previous) throw broken(i, "it does not follow the entry before");
    const { hash, ...body } = entry;
    if (hash !== hashOf(body)) throw broken(i, "its content was changed");
    previous = hash;
  });
  if (head !== undefined && head !== previous) {
    throw broken(entries.length, "entries at the end are missing");
  }
}

/** SHA-256 over the entry with the record's fields in alphabetical order. */
function hashOf({ index, atMs, kind, record, previous }: Omit<AuditEntry, "hash">): string {
  const fields = Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([index, atMs, kind, fields, previous]);
  return createHash("sha256").update(text).digest("hex");
}

function broken(entry: number, problem: string): CncError {
  return new CncError(`the audit log is broken at entry ${entry}: ${problem}`, {
    code: "AUDIT_BROKEN",
    entry,
    problem,
  });
}
