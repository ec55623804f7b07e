import { ShardChainError } from "../errors.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import { Interner } from "./interner.ts";
import { float64Column, int32Column } from "./number-column.ts";
import { type Percentile, percentileOf } from "./percentiles.ts";
import { consensusRounds, PHASES, type Phase, startOf, type Trail, timeByPhase } from "./trail.ts";

/**
 * How a transaction ended, seen from its client. `commit`: final on every shard it touches.
 * `abort`: given up because of others (locks, stale reads). `fail`: it could not have succeeded
 * alone either (too little money, a contract that reverted).
 */
export type Ending = "commit" | "abort" | "fail";

const ENDINGS = ["commit", "abort", "fail"] as const satisfies readonly Ending[];
/** `ending` of a transaction in flight. */
const OPEN = -1;

/** Mean and 99th percentile of the time spent on one thing by the committed transactions. */
export interface PhaseTime {
  readonly meanMs: number;
  readonly p99Ms: number;
}

/** What a run achieved in a window of time. */
export interface RunSummary {
  /** Transactions that became final everywhere in the window, a second; each counts once. */
  readonly goodputTps: number;
  /** Arrivals meant for the window, a second. */
  readonly offeredTps: number;
  readonly committed: number;
  /** Of the transactions that ended in the window, those that were aborted; 0 when none ended. */
  readonly abortRatio: number;
  /** Of the transactions that ended in the window, those that failed on their own. */
  readonly failureRatio: number;
  /** Attempts beyond the first, a transaction that ended in the window. */
  readonly retryRatio: number;
  /** Of the arrivals meant for the window, those that touch two shards or more. */
  readonly crossShardRatio: number;
  /** Arrivals meant for the window that had not ended at its end. */
  readonly unfinished: number;
  /**
   * From intended arrival to finality, over the arrivals meant for the window that were not
   * aborted and did not fail, whenever they ended; those in flight when the run was over count with
   * the time waited by then. Undefined when none.
   */
  readonly latencyMs: Readonly<Record<"p50" | "p90" | "p99" | "p999", Percentile | undefined>>;
  /** Where committed transactions' time went; undefined when no trail was recorded. */
  readonly timeByPhase: Readonly<Record<Phase, PhaseTime>> | undefined;
  /** Rounds of consensus on the critical path of a committed transaction, mean; as above. */
  readonly consensusRoundsMean: number | undefined;
  /** Bytes sent, by what for, over the whole run. */
  readonly bytesBy: Readonly<Record<string, number>>;
}

/**
 * Measures a run by its clients' transactions. Latency counts from the moment a transaction was
 * meant to arrive, so that a system that stalls its clients does not hide their waiting
 * (coordinated omission). Messages of protocols and failures are never throughput.
 */
export class RunMeter {
  readonly #ids = new Interner();
  /** One entry a transaction, by number. */
  readonly #intendedMs = float64Column();
  readonly #endedMs = float64Column();
  readonly #isCrossShard = int32Column();
  readonly #retries = int32Column();
  /** Index in `ENDINGS`, or `OPEN`. */
  readonly #ending = int32Column();
  /** Seven entries a committed transaction that came with a trail, in the order of `PHASES`. */
  readonly #phaseMs = float64Column();
  readonly #phaseOwner = int32Column();
  /** By entry of `#phaseOwner`. */
  readonly #rounds = int32Column();
  readonly #bytesBy = new Map<string, number>();

  /** A client's transaction is due. Each id once. */
  arrive(txId: TransactionId, at: { intendedMs: number; isCrossShard: boolean }): void {
    if (this.#ids.numberOf(txId) < this.#ending.length) {
      throw new ShardChainError(
        `transaction ${txId} arrived twice; give transactions different nonces`,
        { code: "CONFLICT", what: "transaction", name: txId },
      );
    }
    this.#intendedMs.push(at.intendedMs);
    this.#endedMs.push(Number.POSITIVE_INFINITY);
    this.#isCrossShard.push(at.isCrossShard ? 1 : 0);
    this.#retries.push(0);
    this.#ending.push(OPEN);
  }

  /** Whether a client has sent it. */
  knows(txId: TransactionId): boolean {
    return this.#ids.find(txId) !== undefined;
  }

  /** The protocol tries the transaction once more after an abort. */
  retry(txId: TransactionId): void {
    const number = this.#numberOf(txId);
    this.#retries.set(number, this.#retries.at(number) + 1);
  }

  /**
   * The transaction has ended everywhere. The first ending counts.
   *
   * @param trail its critical path, from the intended arrival to now
   */
  end(txId: TransactionId, ending: Ending, atMs: number, trail?: Trail): void {
    const number = this.#numberOf(txId);
    if (this.#ending.at(number) !== OPEN) return;
    if (trail !== undefined) {
      this.#checkTrail(txId, trail, this.#intendedMs.at(number), atMs);
      if (ending === "commit") {
        const spent = timeByPhase(trail);
        this.#phaseOwner.push(number);
        this.#rounds.push(consensusRounds(trail));
        for (const phase of PHASES) this.#phaseMs.push(spent[phase]);
      }
    }
    this.#ending.set(number, ENDINGS.indexOf(ending));
    this.#endedMs.set(number, atMs);
  }

  /** Bytes went over the network. */
  addBytes(what: string, sizeBytes: number): void {
    this.#bytesBy.set(what, (this.#bytesBy.get(what) ?? 0) + sizeBytes);
  }

  /**
   * Latencies of the committed transactions that were meant to arrive in a window, rising, ms.
   * Those in flight are not in it: `summarise` has the percentiles.
   */
  latenciesMs({ fromMs, toMs }: { fromMs: number; toMs: number }): Float64Array {
    const latencies: number[] = [];
    for (let number = 0; number < this.#ending.length; number++) {
      const intendedMs = this.#intendedMs.at(number);
      const isCommitted = ENDINGS[this.#ending.at(number)] === "commit";
      if (!isCommitted || intendedMs < fromMs || intendedMs >= toMs) continue;
      latencies.push(this.#endedMs.at(number) - intendedMs);
    }
    return Float64Array.from(latencies).sort();
  }

  /**
   * Sums up the window `fromMs <= t < toMs`. What happens after it counts for the latencies of its
   * arrivals alone.
   *
   * @param window.knownMs  when the run was over, `toMs` at least; default: that
   */
  summarise({
    fromMs,
    toMs,
    knownMs = toMs,
  }: {
    fromMs: number;
    toMs: number;
    knownMs?: number;
  }): RunSummary {
    const isInWindow = (ms: number) => ms >= fromMs && ms < toMs;
    const endings = { commit: 0, abort: 0, fail: 0 };
    let [retries, due, crossShard, unfinished] = [0, 0, 0, 0];
    const latencies: number[] = [];
    const waits: number[] = [];
    for (let number = 0; number < this.#ending.length; number++) {
      const intendedMs = this.#intendedMs.at(number);
      const endedMs = this.#endedMs.at(number);
      const ending = ENDINGS[this.#ending.at(number)];
      if (ending !== undefined && isInWindow(endedMs)) {
        endings[ending]++;
        retries += this.#retries.at(number);
      }
      if (!isInWindow(intendedMs)) continue;
      due++;
      crossShard += this.#isCrossShard.at(number);
      if (endedMs >= toMs) unfinished++;
      if (endedMs >= knownMs) waits.push(knownMs - intendedMs);
      else if (ending === "commit") latencies.push(endedMs - intendedMs);
    }
    const ended = endings.commit + endings.abort + endings.fail;
    const seconds = (toMs - fromMs) / 1000;
    return {
      goodputTps: endings.commit / seconds,
      offeredTps: due / seconds,
      committed: endings.commit,
      abortRatio: ratio(endings.abort, ended),
      failureRatio: ratio(endings.fail, ended),
      retryRatio: ratio(retries, ended),
      crossShardRatio: ratio(crossShard, due),
      unfinished,
      latencyMs: percentiles(latencies, waits),
      timeByPhase: this.#phaseTimes(isInWindow),
      consensusRoundsMean: this.#roundsMean(isInWindow),
      bytesBy: Object.fromEntries(this.#bytesBy),
    };
  }

  #numberOf(txId: TransactionId): number {
    const number = this.#ids.find(txId);
    if (number !== undefined) return number;
    throw new ShardChainError(`transaction ${txId} ended or was tried again, but never arrived`, {
      code: "BAD_HISTORY",
      problem: `unknown transaction ${txId}`,
    });
  }

  #checkTrail(txId: TransactionId, trail: Trail, intendedMs: number, atMs: number): void {
    const fromMs = startOf(trail);
    if (fromMs === intendedMs && trail.atMs === atMs) return;
    throw new ShardChainError(
      `the trail of ${txId} goes from ${fromMs} to ${trail.atMs} ms, but the transaction took ` +
        `from ${intendedMs} to ${atMs} ms`,
      { code: "BAD_HISTORY", problem: "a trail that does not cover its transaction" },
    );
  }

  #roundsMean(isInWindow: (ms: number) => boolean): number | undefined {
    let sum = 0;
    let count = 0;
    this.#phaseOwner.view().forEach((number, entry) => {
      if (!isInWindow(this.#endedMs.at(number))) return;
      sum += this.#rounds.at(entry);
      count++;
    });
    return count === 0 ? undefined : sum / count;
  }

  #phaseTimes(isInWindow: (ms: number) => boolean): RunSummary["timeByPhase"] {
    const entries: number[] = [];
    this.#phaseOwner.view().forEach((number, entry) => {
      if (isInWindow(this.#endedMs.at(number))) entries.push(entry);
    });
    if (entries.length === 0) return undefined;
    const none = new Float64Array();
    const byPhase = PHASES.map((phase, i) => {
      const times = Float64Array.from(entries, (entry) =>
        this.#phaseMs.at(entry * PHASES.length + i),
      ).sort();
      const meanMs = times.reduce((sum, ms) => sum + ms, 0) / times.length;
      return [phase, { meanMs, p99Ms: percentileOf(times, none, 99)?.ms ?? 0 }] as const;
    });
    return Object.fromEntries(byPhase) as Record<Phase, PhaseTime>;
  }
}

function percentiles(
  latencies: readonly number[],
  waits: readonly number[],
): RunSummary["latencyMs"] {
  const ended = Float64Array.from(latencies).sort();
  const waiting = Float64Array.from(waits).sort();
  return {
    p50: percentileOf(ended, waiting, 50),
    p90: percentileOf(ended, waiting, 90),
    p99: percentileOf(ended, waiting, 99),
    p999: percentileOf(ended, waiting, 99.9),
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
