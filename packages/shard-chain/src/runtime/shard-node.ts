import type { ConsensusMessage } from "../consensus/consensus-node.ts";
import { consensusChannel } from "../consensus/consensus-node.ts";
import { VoteCheck } from "../consensus/vote-check.ts";
import type { SignatureScheme, Signer } from "../crypto/signatures.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import type { CommittedBlock, Payload } from "../node/block.ts";
import type { Consensus } from "../node/consensus.ts";
import type { Host, HostedNode, NodeId, NodeMessage } from "../node/host.ts";
import type { ChainId, Topology } from "../protocol/chain.ts";
import type { DutyMessage, NodeDuty } from "../protocol/node-duty.ts";
import type { Note } from "../protocol/note.ts";
import type { Protocol } from "../protocol/protocol.ts";
import { type Attestation, type Batch, type CertifiedBatch, isUnderRoot } from "./batch.ts";
import { type BlockLimits, contentOf } from "./block-content.ts";
import { CertificateCheck } from "./certificate-check.ts";
import type { ChainView } from "./chain-view.ts";
import { CROSS_CHANNEL, type CrossWireMessage, crossWire } from "./cross-wire.ts";
import type { Directory, Seat } from "./directory.ts";
import { createDutyContext, DUTY_CHANNEL, NOTE_CHANNEL } from "./duty-context.ts";
import { Inbound } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import type { ExecutedBlock } from "./replica.ts";
import { ShardApplication } from "./shard-application.ts";
import type { TransactionPool } from "./transaction-pool.ts";

/** Channel of what clients send. */
export const CLIENT_CHANNEL = "clients";

/** Notes that wait for a block at most; who submits them says them again. */
const NOTES_MAX = 10_000;

/** What clients send: transactions for one chain. */
export interface ClientMessage {
  readonly transactions: readonly Transaction[];
}

export { DUTY_CHANNEL, NOTE_CHANNEL } from "./duty-context.ts";

/** Times of a node's part in messages between chains, ms. */
export interface CrossTiming {
  /** How long a missing batch may be late before it is asked for. */
  readonly askMs: number;
  /** How often nodes tell each other how far their chains have come. */
  readonly headsMs: number;
}

/** What a validator is made of. */
export interface ShardNodeParts {
  readonly host: Host;
  readonly seat: Seat;
  readonly directory: Directory;
  readonly topology: Topology;
  readonly protocol: Protocol;
  readonly signer: Signer;
  readonly scheme: SignatureScheme;
  readonly view: ChainView;
  readonly pool: TransactionPool;
  readonly limits: BlockLimits;
  readonly timing: CrossTiming;
  /** A faulty carrier: how long it holds batches back, ms. */
  readonly holdBatchesMs?: number;
  createConsensus(application: ShardApplication): Consensus<ConsensusMessage>;
  /** Executes the next final block; the protocol's state after it is `stateOf`. */
  execute(committed: CommittedBlock): ExecutedBlock;
  stateOf(): object;
  /** The work of the executed block is done. */
  onExecuted?(committed: CommittedBlock, executed: ExecutedBlock): void;
  onProposed?(payload: Payload): void;
  onCertified?(batch: Batch): void;
  onArrived?(batch: Batch): void;
  /** A final block holds transactions that an earlier one of its chain had. */
  onRepeated?(repeated: readonly TransactionId[]): void;
  /** Transactions that found no place in the pool. */
  onDropped?(transactions: readonly Transaction[]): void;
}

/**
 * A validator: consensus on its chain, the mempool, execution, and its part in carrying messages
 * between chains. The same code runs in virtual time and over sockets.
 */
export class ShardNode implements HostedNode {
  readonly consensus: Consensus<ConsensusMessage>;
  readonly #parts: ShardNodeParts;
  readonly #channel: string;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #certificates: CertificateCheck;
  readonly #notes = new Map<string, Note>();
  readonly #duty: NodeDuty | undefined;
  /** Chains whose missing batch will be asked for. */
  readonly #asking = new Set<ChainId>();
  #turn = 0;
  /** Blocks that are delivered before were stored, by an earlier life of this validator. */
  #hasStarted = false;

  constructor(parts: ShardNodeParts) {
    const { directory, seat, view, host, scheme, protocol } = parts;
    const { chain, index } = seat;
    const committee = directory.committeeOf(chain);
    this.#parts = parts;
    this.#channel = consensusChannel(committee.chainId);
    this.#inbound = new Inbound(view, directory.chains.length);
    const own = new VoteCheck(committee, scheme, (operation, count) =>
      host.charge(operation, count),
    );
    this.#certificates = new CertificateCheck(directory, scheme, host);
    this.#outbound = new Outbound({
      chain,
      index,
      directory,
      sign: (statement) => this.#sign(statement),
      send: (to, validator, message) => this.#sendCross(to, validator, message),
      isSigned: (attestation: Attestation, statement) =>
        own.isSigned(attestation, attestation.validator, statement, attestation.signature),
      ...(parts.onCertified && { onCertified: parts.onCertified }),
    });
    this.consensus = parts.createConsensus(this.#createApplication());
    this.#duty = protocol.createDuty?.(
      createDutyContext({
        ...parts,
        sign: (statement) => this.#sign(statement),
        verify: (node, statement, signature) => this.#verify(node, statement, signature),
      }),
    );
  }

  start(): void {
    this.#hasStarted = true;
    this.consensus.start();
    this.#duty?.start?.();
    // Nodes take their turns at different moments.
    const { host, timing, seat } = this.#parts;
    host.setTimer((timing.headsMs * (1 + (seat.index % 4))) / 4, () => this.#tellHeads());
  }

  onMessage(from: NodeId, message: NodeMessage): void {
    const { directory, seat } = this.#parts;
    const sender = directory.seatOf(from);
    switch (message.channel) {
      case this.#channel:
        if (sender?.chain === seat.chain) {
          this.consensus.onMessage(sender.index, message.body as ConsensusMessage);
        }
        return;
      case CROSS_CHANNEL:
        if (sender !== undefined) this.#onCross(sender, message.body as CrossWireMessage);
        return;
      case CLIENT_CHANNEL:
        this.#onTransactions((message.body as ClientMessage).transactions);
        return;
      case NOTE_CHANNEL:
        this.#onNote(message.body as Note);
        return;
      case DUTY_CHANNEL:
        this.#duty?.onMessage?.(from, message.body as DutyMessage);
    }
  }

  #onTransactions(transactions: readonly Transaction[]): void {
    const { host, protocol, topology } = this.#parts;
    host.charge("verify", transactions.length);
    const isPooled = (one: Transaction) => protocol.isPooled?.(one, topology) ?? true;
    const forDuty = transactions.filter((one) => !isPooled(one));
    if (forDuty.length > 0) this.#duty?.onTransactions?.(forDuty);
    for (const transaction of transactions) {
      if (isPooled(transaction)) this.#pool(transaction);
    }
  }

  #pool(transaction: Transaction): void {
    const { view, pool, onDropped } = this.#parts;
    if (pool.has(transaction.id) || view.isIncluded(transaction.id)) return;
    const dropped = pool.add(transaction, view.nextNonce(transaction.sender));
    if (dropped.length > 0) onDropped?.(dropped);
  }

  #onNote(note: Note): void {
    const { view } = this.#parts;
    if (this.#notes.has(note.id) || view.isNoteIncluded(note.id)) return;
    if (this.#notes.size >= NOTES_MAX) return;
    if (this.#isNoteValid(note)) this.#notes.set(note.id, note);
  }

  #isNoteValid(note: Note): boolean {
    const { protocol, topology, seat, directory } = this.#parts;
    const info = topology.chains[seat.chain];
    if (info === undefined || protocol.isValidNote === undefined) return false;
    return protocol.isValidNote(info, note, {
      topology,
      nodesOf: (chain) => directory.nodesOf(chain),
      verify: (node, statement, signature) => this.#verify(node, statement, signature),
    });
  }

  #onCross(from: Seat, message: CrossWireMessage): void {
    const { seat } = this.#parts;
    switch (message.type) {
      case "attest":
        if (from.chain === seat.chain) this.#outbound.onAttest(from.index, message);
        return;
      case "batch":
        this.#onBatch(message.certified);
        return;
      case "want":
        if (from.chain === message.chain) this.#outbound.onWant(from.index, message);
        return;
      case "heads":
        if (from.chain !== message.chain) return;
        this.#outbound.onConfirmed(from.chain, from.index, message.taken);
        this.#inbound.learnHead(from.chain, message.sent);
        this.#askLater(from.chain);
    }
  }

  #onBatch(certified: CertifiedBatch): void {
    const { from, to, sequence } = certified.batch;
    if (to !== this.#parts.seat.chain || !this.#inbound.isWanted(from, sequence)) return;
    if (!this.#isBatchValid(certified)) return;
    this.#parts.onArrived?.(certified.batch);
    this.#inbound.add(certified);
    this.#askLater(from);
  }

  #isBatchValid(certified: CertifiedBatch): boolean {
    const { batch, certificate } = certified;
    if (batch.to !== this.#parts.seat.chain || !isUnderRoot(certified)) return false;
    return this.#certificates.isValid(certificate);
  }

  /** Asks for what is missing of a chain unless it comes in time. */
  #askLater(chain: ChainId): void {
    if (this.#asking.has(chain) || this.#inbound.firstMissing(chain) === undefined) return;
    this.#asking.add(chain);
    this.#parts.host.setTimer(this.#parts.timing.askMs, () => {
      this.#asking.delete(chain);
      const sequence = this.#inbound.firstMissing(chain);
      if (sequence === undefined) return;
      const { directory, seat } = this.#parts;
      const validator = this.#turn++ % directory.committeeOf(chain).size;
      this.#sendCross(chain, validator, { type: "want", chain: seat.chain, sequence });
      this.#askLater(chain);
    });
  }

  /** Tells a validator of each other chain how far this one has come; another one each time. */
  #tellHeads(): void {
    const { host, timing, directory, seat, view } = this.#parts;
    this.#turn++;
    this.#outbound.resend();
    for (const { id } of directory.chains) {
      const sent = this.#outbound.sentTo(id);
      const taken = view.takenFrom(id);
      if (sent === 0 && taken === 0) continue;
      const validator = (seat.index + this.#turn) % directory.committeeOf(id).size;
      this.#sendCross(id, validator, { type: "heads", chain: seat.chain, sent, taken });
    }
    host.setTimer(timing.headsMs, () => this.#tellHeads());
  }

  #onDelivered(committed: CommittedBlock): void {
    const { host, view, pool, onExecuted } = this.#parts;
    const executed = this.#parts.execute(committed);
    for (const [operation, count] of executed.work) host.charge(operation, count);
    const { inbox, notes, transactions } = contentOf(committed.block);
    const repeated = view.advance(committed.block, executed);
    if (repeated.length > 0) this.#parts.onRepeated?.(repeated);
    for (const { id } of transactions) pool.remove(id);
    for (const [sender, nonce] of executed.admitted) pool.advance(sender, nonce);
    for (const { id } of notes) this.#notes.delete(id);
    this.#inbound.forget(inbox);
    onExecuted?.(committed, executed);
    this.#outbound.onExecuted(executed.outbox, !this.#hasStarted);
    this.#duty?.onExecuted?.(committed);
  }

  #createApplication(): ShardApplication {
    const { view, pool, limits, directory, host, protocol, onProposed } = this.#parts;
    return new ShardApplication({
      view,
      pool,
      inbound: this.#inbound,
      notes: this.#notes,
      limits,
      chains: directory.chains.length,
      isBatchValid: (certified) => this.#isBatchValid(certified),
      isNoteValid: (note) => this.#isNoteValid(note),
      takesTransactions: () => protocol.takesTransactions?.(this.#parts.stateOf()) ?? true,
      checkClients: (count) => host.charge("verify", count),
      ...(onProposed && { onProposed }),
      onDelivered: (committed) => this.#onDelivered(committed),
    });
  }

  #sign(statement: string): Uint8Array {
    this.#parts.host.charge("sign");
    return this.#parts.signer.sign(statement);
  }

  #verify(node: NodeId, statement: string, signature: Uint8Array): boolean {
    const { directory, scheme, host } = this.#parts;
    host.charge("verify");
    const seat = directory.seatOf(node);
    if (seat === undefined) return false;
    const key = directory.committeeOf(seat.chain).validators[seat.index]?.publicKey;
    return key !== undefined && scheme.verify(key, statement, signature);
  }

  #sendCross(chain: ChainId, validator: number, message: CrossWireMessage): void {
    const { directory, host, holdBatchesMs } = this.#parts;
    const node = directory.committeeOf(chain).validators[validator]?.node;
    if (node === undefined) return;
    const sent = crossWire(message);
    if (holdBatchesMs === undefined || message.type !== "batch") host.send(node, sent);
    else host.setTimer(holdBatchesMs, () => host.send(node, sent));
  }
}
