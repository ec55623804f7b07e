import { appendFileSync } from "node:fs";
import { type AuditEntry, AuditLog, type AuditRecord } from "../governance/audit-log.ts";

/** Entries kept in memory before the next segment begins. */
const SEGMENT_ENTRIES = 10_000;

/**
 * The hash-chained log of a server that runs for weeks: segments of `AuditLog`, each verifiable by
 * `verifyAudit`, whose first entry names the hash that the segment before ended with. Every entry
 * is appended to a file at once, if one is given; memory holds the current segment only.
 */
export class AuditJournal {
  #log = new AuditLog();
  #segment = 0;

  constructor(
    readonly path: string | undefined = undefined,
    readonly segmentEntries: number = SEGMENT_ENTRIES,
  ) {
    this.#open(0, "0".repeat(64));
  }

  /** Entries of the current segment. */
  get entries(): readonly AuditEntry[] {
    return this.#log.entries;
  }

  /** Hash of the last entry. */
  get head(): string {
    return this.#log.head;
  }

  /** Appends one entry, beginning a new segment when this one is full. */
  append(atMs: number, kind: string, record: AuditRecord): void {
    if (this.#log.entries.length >= this.segmentEntries) {
      const { head } = this.#log;
      this.#log = new AuditLog();
      this.#segment++;
      this.#open(atMs, head);
    }
    this.#write(this.#log.append(atMs, kind, record));
  }

  #open(atMs: number, after: string): void {
    this.#write(this.#log.append(atMs, "segment", { segment: this.#segment, after }));
  }

  #write(entry: AuditEntry): void {
    if (this.path !== undefined) appendFileSync(this.path, `${JSON.stringify(entry)}\n`);
  }
}
