import type { Address } from "../ledger/address.ts";
import { shardsOf } from "../ledger/hops.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { TimedTransaction } from "../workloads/workload.ts";
import type { Deployment } from "./deployment.ts";
import { CLIENT_CHANNEL, type ClientMessage } from "./shard-node.ts";

/** Bytes around a client's transactions in a message. */
const HEADER_BYTES = 16;
/** Where messages can be lost, clients say again what no block has taken in for so long, ms. */
const RESEND_MS = 5_000;

/**
 * The clients: hand in transactions when they are due, whatever the system does (open loop). A tick
 * gathers what was due since the last one, so that messages are few; latency counts from when a
 * transaction was due. Clients sit in all regions, each sender in one.
 */
export class Clients {
  readonly #deployment: Deployment;
  readonly #arrivals: Iterator<TimedTransaction>;
  /** Sent and not seen in a block; kept only where messages can be lost. */
  readonly #unseen = new Map<TransactionId, Transaction>();
  readonly #resends: boolean;
  #next: TimedTransaction | undefined;
  #sentCount = 0;
  #lastMs = 0;

  constructor(deployment: Deployment) {
    this.#deployment = deployment;
    this.#arrivals = deployment.settings.arrivals[Symbol.iterator]();
    const { networkFaults, crashes, regions } = deployment.settings;
    this.#resends = networkFaults.length + crashes.length > 0 || regions.lossProbability > 0;
    this.#advance();
    this.#wait();
    if (this.#resends) this.#resendLater();
  }

  /** Whether all transactions are handed in. */
  get isDone(): boolean {
    return this.#next === undefined;
  }

  get sentCount(): number {
    return this.#sentCount;
  }

  /** When the last transaction so far was due, ms. */
  get lastDueMs(): number {
    return this.#lastMs;
  }

  #wait(): void {
    if (this.#next === undefined) return;
    const { world, settings } = this.#deployment;
    const tick = Math.ceil(this.#next.intendedMs / settings.clientTickMs);
    const atMs = Math.max(tick * settings.clientTickMs, world.simulation.nowMs());
    world.simulation.scheduleAt(atMs, () => this.#handIn(atMs));
  }

  #handIn(untilMs: number): void {
    const { recorder, topology } = this.#deployment;
    const due: Transaction[] = [];
    while (this.#next !== undefined && this.#next.intendedMs <= untilMs) {
      const { transaction, intendedMs } = this.#next;
      const isCross = shardsOf(transaction, topology.placement).length > 1;
      recorder.arrive(transaction, intendedMs, isCross);
      if (this.#resends) this.#unseen.set(transaction.id, transaction);
      due.push(transaction);
      this.#sentCount++;
      this.#lastMs = intendedMs;
      this.#advance();
    }
    this.#sendAll(due);
    this.#wait();
  }

  /** Groups what goes from one region to one chain. */
  #sendAll(transactions: readonly Transaction[]): void {
    const { topology, settings } = this.#deployment;
    const groups = new Map<string, { chain: ChainId; region: number; due: Transaction[] }>();
    for (const transaction of transactions) {
      const chain = settings.protocol.entryOf(transaction, topology);
      const region = this.#regionOf(transaction.sender);
      const key = `${chain}/${region}`;
      const group = groups.get(key) ?? { chain, region, due: [] };
      group.due.push(transaction);
      groups.set(key, group);
    }
    for (const { chain, region, due } of groups.values()) this.#send(chain, region, due);
  }

  #resendLater(): void {
    const { world, recorder } = this.#deployment;
    world.simulation.scheduleAfter(RESEND_MS, () => {
      for (const txId of this.#unseen.keys()) {
        if (recorder.isTaken(txId)) this.#unseen.delete(txId);
      }
      this.#sendAll([...this.#unseen.values()]);
      this.#resendLater();
    });
  }

  #send(chain: ChainId, region: number, transactions: readonly Transaction[]): void {
    const { world, directory } = this.#deployment;
    const body: ClientMessage = { transactions };
    const bytes = transactions.reduce((sum, { sizeBytes }) => sum + sizeBytes, HEADER_BYTES);
    const host = world.host(this.#deployment.clientNode(region));
    for (const node of directory.nodesOf(chain)) {
      host.send(node, { channel: CLIENT_CHANNEL, sizeBytes: bytes, body });
    }
  }

  #regionOf(sender: Address): number {
    return Number.parseInt(sender.slice(2, 8), 16) % this.#deployment.settings.regions.rttMs.length;
  }

  #advance(): void {
    const next = this.#arrivals.next();
    this.#next = next.done === true ? undefined : next.value;
  }
}
