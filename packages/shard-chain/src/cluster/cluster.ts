import { createServer } from "node:net";
import { ED25519, type Signer } from "../crypto/signatures.ts";
import { shardsOf } from "../ledger/hops.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { NodeId } from "../node/host.ts";
import { SocketHost, type SocketMachine } from "../node/socket-host.ts";
import type { ChainId } from "../protocol/chain.ts";
import { CLIENT_CHANNEL } from "../runtime/shard-node.ts";
import type { BlockReport } from "./cluster-messages.ts";
import { addressesOf, type ClusterPlan, type ClusterSite } from "./cluster-site.ts";
import { Endings } from "./endings.ts";
import { type Opening, ValidatorHandle } from "./validator-handle.ts";
import { wireCodecs } from "./wire-codecs.ts";

/** A validator that does not end by itself is killed after so long, ms. */
const STOP_MS = 5_000;

/** A transaction that was handed in. */
export interface Arrival {
  readonly transaction: Transaction;
  readonly intendedMs: number;
  readonly isCrossShard: boolean;
}

/** A free port of this machine for each of `count` listeners. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * A sharded chain as processes of this machine, one a validator, and its clients. It starts them,
 * kills them, cuts them off from each other, and writes down what they report.
 */
export class Cluster {
  readonly plan: ClusterPlan;
  readonly site: ClusterSite;
  readonly arrivals: Arrival[] = [];
  /** What each validator has reported of each block, by node. */
  readonly reports = new Map<NodeId, Map<number, BlockReport>>();
  readonly #machine: SocketMachine;
  readonly #validators: readonly ValidatorHandle[];
  readonly #clients: SocketHost;
  readonly #endings = new Endings();

  constructor(plan: ClusterPlan, site: ClusterSite, machine: SocketMachine) {
    this.plan = plan;
    this.site = site;
    this.#machine = machine;
    const { directory, topology, settings, signers, clientNode } = site;
    const nodes = topology.chains.flatMap(({ id }) => directory.nodesOf(id));
    this.#validators = nodes.map(
      (node) => new ValidatorHandle(plan, node, (from, report) => this.#learn(from, report)),
    );
    this.#clients = new SocketHost({
      self: clientNode,
      addresses: addressesOf(plan, site),
      signer: signers[clientNode] as Signer,
      scheme: ED25519,
      codecs: wireCodecs(
        settings.consensus,
        topology.chains.map(({ name }) => name),
      ),
      machine,
    });
  }

  nowMs(): number {
    return this.#machine.nowMs();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#machine.schedule(ms, () => resolve());
    });
  }

  /** @throws ShardChainError `VALIDATOR_FAILED` */
  async start(): Promise<void> {
    await Promise.all(this.#validators.map((validator) => validator.start()));
    await this.#clients.open({ start: () => undefined, onMessage: () => undefined });
  }

  /** Hands transactions in that are due now, to every validator of their entry chains. */
  handIn(due: readonly { readonly transaction: Transaction; readonly intendedMs: number }[]): void {
    const { settings, topology, directory } = this.site;
    const byChain = new Map<ChainId, Transaction[]>();
    for (const { transaction, intendedMs } of due) {
      const isCrossShard = shardsOf(transaction, topology.placement).length > 1;
      this.arrivals.push({ transaction, intendedMs, isCrossShard });
      const chain = settings.protocol.entryOf(transaction, topology);
      byChain.set(chain, [...(byChain.get(chain) ?? []), transaction]);
    }
    for (const [chain, transactions] of byChain) {
      const body = { transactions };
      for (const node of directory.nodesOf(chain)) {
        this.#clients.send(node, { channel: CLIENT_CHANNEL, sizeBytes: 0, body });
      }
    }
  }

  /** Transactions handed in that have not ended on every chain. */
  get inFlightCount(): number {
    return this.arrivals.length - this.#endings.count;
  }

  /** Whether a transaction has ended. */
  hasEnded(txId: TransactionId): boolean {
    return this.#endings.has(txId);
  }

  /** @throws ShardChainError `VALIDATOR_FAILED` when a validator ended that nobody had ended */
  check(): void {
    for (const { failure } of this.#validators) if (failure !== undefined) throw failure;
  }

  /** Height of the last block that a validator has reported; 0 before the first. */
  heightOf(node: NodeId): number {
    return Math.max(0, ...(this.reports.get(node)?.keys() ?? []));
  }

  pidOf(node: NodeId): number | undefined {
    return this.#handle(node).pid;
  }

  /** `kill -9`. */
  async kill(node: NodeId): Promise<void> {
    await this.#handle(node).kill();
  }

  /** Starts a killed validator again, on the files it had. */
  async restart(node: NodeId): Promise<Opening> {
    return this.#handle(node).start();
  }

  /** Nothing passes between the groups; an empty list ends the partition. */
  partition(groups: readonly (readonly NodeId[])[]): void {
    for (const validator of this.#validators) {
      const own = groups.find((group) => group.includes(validator.node));
      const others = own === undefined ? [] : groups.filter((group) => group !== own).flat();
      validator.cutOff(others);
    }
  }

  /** Ends all processes. */
  async stop(): Promise<void> {
    const sleep = (ms: number) => this.sleep(ms);
    await Promise.all(this.#validators.map((validator) => validator.stop(sleep, STOP_MS)));
    await this.#clients.close();
  }

  #learn(node: NodeId, report: BlockReport): void {
    const known = this.reports.get(node) ?? new Map<number, BlockReport>();
    this.reports.set(node, known.set(report.height, report));
    const chain = this.site.directory.seatOf(node)?.chain ?? -1;
    this.#endings.add(chain, report);
  }

  #handle(node: NodeId): ValidatorHandle {
    const validator = this.#validators[node];
    if (validator === undefined) throw new RangeError(`the cluster has no validator ${node}`);
    return validator;
  }
}
