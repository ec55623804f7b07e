import type { Address } from "../ledger/address.ts";
import { ABORT_REASONS, type FailureReason } from "../ledger/receipt.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { type Ending, RunMeter } from "../measurement/run-meter.ts";
import { extendTrail, type Trail } from "../measurement/trail.ts";
import { type Outcome, RunHistory } from "../oracles/history.ts";
import type { ProcessedPlace } from "../oracles/processing-order.ts";
import { Findings, type Verdict } from "../oracles/verdict.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { CrossMessage } from "../protocol/cross-message.ts";
import type { Decision, Wait } from "../protocol/recorder.ts";
import type { Batch, Outbox } from "./batch.ts";
import type { BlockRecorder } from "./block-recorder.ts";
import { type BlockTimes, Flight } from "./flight.ts";
import { Journeys } from "./journeys.ts";

export { type BlockRecorder, SILENT } from "./block-recorder.ts";

/** Reasons after which a sender's later nonces cannot be admitted. */
const NEVER_ADMITTED: ReadonlySet<FailureReason> = new Set(["feeNotCovered", "badNonce", "noRoom"]);

/** When a batch was on its way, and the critical paths of what its messages are about. */
interface BatchTimes {
  /** By message, in the order of `subjectsOf` it. */
  readonly trails: readonly (readonly (Trail | undefined)[])[];
  certifiedMs: number;
  arrivedMs: number;
}

/**
 * Writes down one run for oracles and measurement: the history of effects, each transaction's
 * critical path, and its end. Told once what every validator does, block after block.
 */
export class RunRecorder implements BlockRecorder {
  readonly history = new RunHistory();
  readonly meter = new RunMeter();
  /** The ways of a few cross-shard transactions, for a message-sequence chart. */
  readonly journeys = new Journeys();
  /** For the replay on one ledger: what clients sent, and what senders paid in fees. */
  readonly transactions = new Map<TransactionId, Transaction>();
  readonly feesPaid = new Map<Address, bigint>();
  readonly keepsTransactions: boolean;
  readonly #segmented: ReadonlySet<Address>;
  readonly #flights = new Map<TransactionId, Flight>();
  readonly #batches = new WeakMap<Batch, BatchTimes>();
  /** Senders of a transaction that can never be admitted: no later one of theirs can. */
  readonly #gapped = new Set<Address>();
  readonly #givenUp = new Set<TransactionId>();
  readonly #decisions = new Findings();
  readonly #validity = new Findings();
  #chain: ChainId = 0;
  #times: BlockTimes = { proposedMs: 0, committedMs: 0 };
  #ending: TransactionId[] = [];
  #lastEndMs = 0;

  constructor(segmented: ReadonlySet<Address>, keepsTransactions: boolean) {
    this.#segmented = segmented;
    this.keepsTransactions = keepsTransactions;
  }

  /** How many client transactions have not ended. */
  get inFlightCount(): number {
    return this.#flights.size;
  }

  /** When a transaction last ended, ms. */
  get lastEndMs(): number {
    return this.#lastEndMs;
  }

  /** Decisions: chains that decide by themselves must decide alike. */
  decisions(): Verdict {
    return this.#decisions.verdict("decisions", {});
  }

  /** Validity: blocks hold what clients have sent, each transaction once a chain. */
  validity(): Verdict {
    return this.#validity.verdict("validity", {});
  }

  /** The run is over: tells the history what transactions in flight have moved so far. */
  close(): void {
    for (const [txId, flight] of this.#flights) {
      if (flight.movedWei !== 0n) this.history.move(txId, flight.movedWei, true);
      flight.movedWei = 0n;
    }
  }

  /** Ids of transactions that have not ended, the oldest first. */
  inFlight(): Iterable<TransactionId> {
    return this.#flights.keys();
  }

  /** Whether some block has taken a transaction in, or it has ended. */
  isTaken(txId: TransactionId): boolean {
    return this.#flights.get(txId)?.isOnlySent !== true;
  }

  /** A client sends a transaction. */
  arrive(transaction: Transaction, intendedMs: number, isCrossShard: boolean): void {
    this.meter.arrive(transaction.id, { intendedMs, isCrossShard });
    this.#flights.set(transaction.id, new Flight(transaction.sender, intendedMs));
    if (this.keepsTransactions) this.transactions.set(transaction.id, transaction);
    if (isCrossShard) this.journeys.arrive(transaction.id, intendedMs);
  }

  /** What is told from now on happens as a block of `chain` is executed. */
  beginBlock(chain: ChainId, times: BlockTimes): void {
    this.#chain = chain;
    this.#times = times;
  }

  /** The block has been executed: its transactions end now, its messages leave now. */
  endBlock(outbox: Outbox, executedMs: number): void {
    for (const batch of outbox.batches) {
      const trails = batch.messages.map((message) =>
        subjectsOf(message).map((txId) =>
          this.#flights.get(txId)?.trailTo(this.#chain, executedMs),
        ),
      );
      this.#batches.set(batch, { trails, certifiedMs: executedMs, arrivedMs: executedMs });
    }
    for (const txId of this.#ending) this.#end(txId, executedMs);
    this.#ending = [];
  }

  /** A batch's certificate is complete. */
  certified(batch: Batch, atMs: number): void {
    const times = this.#batches.get(batch);
    if (times === undefined) return;
    times.certifiedMs = atMs;
    times.arrivedMs = atMs;
  }

  /** A batch has reached a validator of its receiver; the first time counts. */
  arrived(batch: Batch, atMs: number): void {
    const times = this.#batches.get(batch);
    if (times !== undefined && times.arrivedMs === times.certifiedMs) times.arrivedMs = atMs;
  }

  /** A client gives up a transaction that no chain will take. */
  giveUp(txId: TransactionId, reason: FailureReason, atMs: number): void {
    if (!this.#flights.has(txId)) return;
    this.history.begin(txId, 1);
    this.#givenUp.add(txId);
    this.decide(txId, { outcome: "abort", reason, parts: 0 });
    this.#ending.pop();
    this.#end(txId, atMs);
  }

  /** Gives up what waits for nonces that will never come. */
  giveUpGapped(atMs: number): void {
    if (this.#gapped.size === 0) return;
    for (const [txId, { sender, isOnlySent }] of this.#flights) {
      // What a block has taken in was admitted or soon ends by itself.
      if (isOnlySent && this.#gapped.has(sender)) this.giveUp(txId, "nonceGap", atMs);
    }
  }

  enterMessage(batch: Batch, index: number): void {
    const times = this.#batches.get(batch);
    const message = batch.messages[index];
    if (times === undefined || message === undefined) return;
    subjectsOf(message).forEach((txId, i) => {
      const flight = this.#flights.get(txId);
      const sent = times.trails[index]?.[i];
      if (flight === undefined || sent === undefined) return;
      const certified = extendTrail(sent, "proof", times.certifiedMs);
      const arrived = extendTrail(certified, "network", times.arrivedMs);
      flight.reach(this.#chain, arrived, this.#times);
      this.journeys.visit(txId, this.#chain, message.kind, this.#times);
    });
  }

  enterTransaction({ id }: Transaction, place: ProcessedPlace): void {
    this.history.process(id, place, this.#times.committedMs);
    if (!this.meter.knows(id)) this.#tellInvalid(id, "no client has sent it");
    const flight = this.#flights.get(id);
    if (flight?.isOnlySent !== true) return;
    flight.enter(this.#chain, this.#times);
    this.journeys.visit(id, this.#chain, "transaction", this.#times);
  }

  begin(txId: TransactionId, partCount: number): void {
    // A block may yet take in what its client has given up; it is refused then.
    if (!this.#givenUp.has(txId)) this.history.begin(txId, partCount);
  }

  read(txId: TransactionId, address: Address, observed?: TransactionId | "genesis"): void {
    this.history.read(txId, this.#keyOf(address), observed);
  }

  write(txId: TransactionId, address: Address): void {
    this.history.write(txId, this.#keyOf(address));
  }

  undo(txId: TransactionId, address: Address): void {
    this.history.undo(txId, this.#keyOf(address));
  }

  move(txId: TransactionId, delta: bigint): void {
    const flight = this.#flights.get(txId);
    if (flight?.decision === undefined) this.history.move(txId, delta);
    else flight.movedWei += delta;
  }

  admitted({ sender, fee }: Transaction): void {
    this.history.burn(fee);
    if (this.keepsTransactions) {
      this.feesPaid.set(sender, (this.feesPaid.get(sender) ?? 0n) + fee);
    }
  }

  settle(txId: TransactionId, part: number, outcome: Outcome): void {
    this.history.settle(txId, part, this.#chain, outcome);
    const flight = this.#flights.get(txId);
    if (flight === undefined) return;
    flight.settled++;
    this.#endIfOver(txId, flight);
  }

  decide(txId: TransactionId, decision: Decision): void {
    const flight = this.#flights.get(txId);
    if (flight === undefined) return;
    const before = flight.decision;
    if (before === undefined) {
      flight.decision = decision;
      this.#endIfOver(txId, flight);
    } else if (before.outcome !== decision.outcome) {
      this.#decisions.add(
        `chain ${this.#chain} decided to ${decision.outcome} ${txId}, another to ${before.outcome}`,
        [txId],
      );
    }
  }

  waits(txId: TransactionId, wait: Wait): void {
    this.#flights.get(txId)?.wait(this.#chain, wait);
  }

  goesOn(txId: TransactionId): void {
    this.#flights.get(txId)?.goOn(this.#chain, this.#times.committedMs);
  }

  retry(txId: TransactionId): void {
    this.meter.retry(txId);
  }

  /** Some block holds a transaction that it must not hold. */
  tellRepeated(txId: TransactionId, chain: ChainId): void {
    this.#tellInvalid(txId, `chain ${chain} had taken it in before`);
  }

  #tellInvalid(txId: TransactionId, why: string): void {
    this.#validity.add(`${txId} stands in a block of chain ${this.#chain}, but ${why}`, [txId]);
  }

  #endIfOver(txId: TransactionId, flight: Flight): void {
    if (flight.isOver) this.#ending.push(txId);
  }

  #end(txId: TransactionId, atMs: number): void {
    const flight = this.#flights.get(txId);
    if (flight?.decision === undefined) return;
    const { decision } = flight;
    flight.goOn(this.#chain, this.#times.committedMs);
    const trail = flight.trailTo(this.#chain, atMs);
    this.#flights.delete(txId);
    this.#lastEndMs = atMs;
    if (decision.outcome === "abort" && NEVER_ADMITTED.has(decision.reason)) {
      this.#gapped.add(flight.sender);
    }
    if (flight.movedWei !== 0n) this.history.move(txId, flight.movedWei);
    this.history.finish(txId, decision.outcome);
    const ending = endingOf(decision);
    this.meter.end(txId, ending, atMs, trail);
    this.journeys.end(txId, this.#chain, ending, atMs);
  }

  #keyOf(address: Address): string {
    return this.#segmented.has(address) ? `${address}@${this.#chain}` : address;
  }
}

/** The transactions that a message is about. */
function subjectsOf({ transaction, txId, about }: CrossMessage): readonly TransactionId[] {
  return about ?? [transaction?.id ?? txId ?? ""];
}

function endingOf(decision: Decision): Ending {
  if (decision.outcome === "commit") return "commit";
  return ABORT_REASONS.has(decision.reason) ? "abort" : "fail";
}
