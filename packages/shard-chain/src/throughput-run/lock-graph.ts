import type { SeriesInput } from "@fmlab/experiment";
import { type LockWait, lockWaits } from "../ledger/locks.ts";
import type { RunState } from "../runtime/run-deployment.ts";

/** Moments between two looks, in steps of the run. */
const LOOK_EVERY = 3;
/** Locks that the table shows. */
const ROWS_MAX = 100;
/** Waiting transactions that a row names. */
const NAMED_MAX = 4;

/** Transactions that the matrix shows, either way. */
const MATRIX_MAX = 40;

/** A wait, and the shard it is on. */
interface PlacedWait extends LockWait {
  readonly shard: number;
}

/** Who waits for whom, at the moment when most do. */
export class LockGraph {
  #steps = 0;
  #waits: readonly PlacedWait[] = [];
  #atMs = 0;

  /** Looks at the locks of all shards now and then. */
  look({ nowMs, deployment }: Pick<RunState, "nowMs" | "deployment">): void {
    if (this.#steps++ % LOOK_EVERY !== 0) return;
    const waits = deployment
      .ledgers()
      .flatMap((ledger, shard) => lockWaits(ledger).map((wait) => ({ ...wait, shard })));
    if (waits.length <= this.#waits.length) return;
    this.#waits = waits;
    this.#atMs = nowMs;
  }

  /** Who waits for whom: a row a waiting transaction, a column one that others wait for. */
  matrix(): SeriesInput {
    const columns = mostNamed(this.#waits.map(({ holder }) => holder));
    const seen = this.#waits.filter(({ holder }) => columns.includes(holder));
    const rows = mostNamed(seen.map(({ waiter }) => waiter));
    const count = (waiter: string, holder: string) =>
      seen.filter((wait) => wait.waiter === waiter && wait.holder === holder).length;
    const named = (ids: readonly string[]) =>
      ids.length === 0 ? ["nobody"] : ids.map((id) => id.slice(0, 8));
    const values = rows.map((waiter) => columns.map((holder) => count(waiter, holder) || null));
    return {
      kind: "heatmap",
      rowLabel: "waits",
      columnLabel: "holds",
      valueLabel: "locks waited for",
      rows: named(rows),
      columns: named(columns),
      values: rows.length === 0 ? [[null]] : values,
    };
  }

  /** One row a lock that is waited for, the most wanted first. */
  series(): SeriesInput {
    const byAccount = new Map<string, PlacedWait[]>();
    for (const wait of this.#waits) {
      const known = byAccount.get(wait.address);
      if (known === undefined) byAccount.set(wait.address, [wait]);
      else known.push(wait);
    }
    const locks = [...byAccount.values()].sort((one, other) => other.length - one.length);
    return {
      kind: "table",
      columns: [
        { key: "account", title: "Account", type: "text" },
        { key: "shard", title: "Shard", type: "number" },
        { key: "holder", title: "Held by", type: "text" },
        { key: "waiting", title: "Waiting", type: "number" },
        { key: "waiters", title: "First in line", type: "text" },
        { key: "atS", title: "At", unit: "s", type: "number" },
      ],
      rows: locks.slice(0, ROWS_MAX).map((waits) => ({
        account: waits[0]?.address ?? "",
        shard: waits[0]?.shard ?? 0,
        holder: [...new Set(waits.map(({ holder }) => holder.slice(0, 12)))].join(", "),
        waiting: new Set(waits.map(({ waiter }) => waiter)).size,
        waiters: waits
          .slice(0, NAMED_MAX)
          .map(({ waiter }) => waiter.slice(0, 12))
          .join(", "),
        atS: this.#atMs / 1_000,
      })),
    };
  }
}

/** The names that come most often, most often first. */
function mostNamed(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .slice(0, MATRIX_MAX)
    .map(([name]) => name);
}
