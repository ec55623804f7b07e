import type { Digest } from "../ledger/hash.ts";
import type { ChainId } from "../protocol/chain.ts";
import {
  type Attestation,
  type Batch,
  type CertifiedBatch,
  certify,
  type Outbox,
  type OutboxCertificate,
  outboxStatement,
} from "./batch.ts";
import type { CrossWireMessage } from "./cross-wire.ts";
import type { Directory } from "./directory.ts";

/** What a validator needs to send its chain's messages. */
export interface OutboundParts {
  readonly chain: ChainId;
  /** Its index in the committee. */
  readonly index: number;
  readonly directory: Directory;
  sign(statement: string): Uint8Array;
  /** To a validator of a chain; a message to the node itself arrives too. */
  send(chain: ChainId, validator: number, message: CrossWireMessage): void;
  /** Whether a validator of the own committee signed; charges for it. */
  isSigned(attestation: Attestation, statement: string): boolean;
  /** Measurement: the certificate of a batch is complete. */
  onCertified?(batch: Batch): void;
}

/** A block's messages on their way to a certificate. */
interface Gathering {
  outbox: Outbox | undefined;
  /** By validator, with the root that it attests. */
  readonly attested: Map<number, { readonly root: Digest; readonly attestation: Attestation }>;
}

/** A batch that its receiver has not confirmed yet. */
interface Kept {
  readonly outbox: Outbox;
  readonly index: number;
  readonly certificate: OutboxCertificate;
}

/** Blocks ahead of its own for which a validator keeps attestations. */
const HEIGHTS_AHEAD = 64;
/**
 * Blocks without a certificate that are said again at a time, the oldest first: receivers take what
 * a chain sends in order. After a restart there are as many as the chain has blocks.
 */
const RESENT_MAX = 256;

/**
 * A validator's part in sending its chain's messages. Every validator signs what its execution of a
 * block sends and tells its committee; with signatures of more than a third of the power, one of
 * them, in turn by height, carries the batches to all validators of the receivers. All keep them
 * until the receivers confirm, and hand them to whoever asks: a faulty carrier only costs time.
 */
export class Outbound {
  readonly #parts: OutboundParts;
  readonly #gathering = new Map<number, Gathering>();
  /** By receiving chain: batches by sequence. */
  readonly #kept: Map<number, Kept>[];
  /** By receiving chain: sequence of the last batch sent. */
  readonly #sent: number[];
  /** By receiving chain: how far each of its validators says to have come. */
  readonly #confirmed: Map<number, number>[];
  #executedHeight = 0;

  constructor(parts: OutboundParts) {
    this.#parts = parts;
    const { chains } = parts.directory;
    this.#kept = chains.map(() => new Map());
    this.#sent = chains.map(() => 0);
    this.#confirmed = chains.map(() => new Map());
  }

  /** Sequence of the last batch for a chain. */
  sentTo(chain: ChainId): number {
    return this.#sent[chain] ?? 0;
  }

  /**
   * This validator has executed a block.
   *
   * @param isStored whether it had it stored before a restart: most likely the others have its
   *        certificate, so that it waits with its own signature until `resend`
   */
  onExecuted(outbox: Outbox, isStored = false): void {
    const { height, root, batches } = outbox;
    this.#executedHeight = height;
    for (const { to, sequence } of batches) this.#sent[to] = sequence;
    if (batches.length === 0) {
      this.#gathering.delete(height);
      return;
    }
    this.#gatheringOf(height).outbox = outbox;
    const { chain, index: validator, directory } = this.#parts;
    const signature = this.#parts.sign(outboxStatement(directory.nameOf(chain), height, root));
    if (!isStored) this.#toCommittee({ type: "attest", height, root, validator, signature });
    this.#add(height, root, { validator, signature });
  }

  /** Says again what has not led to a certificate yet, and no receiver has confirmed. */
  resend(): void {
    const { index: validator } = this.#parts;
    let resent = 0;
    for (const [height, { attested }] of this.#gathering) {
      const own = attested.get(validator);
      if (own === undefined) continue;
      if (++resent > RESENT_MAX) return;
      const { root, attestation } = own;
      this.#toCommittee({ type: "attest", height, root, ...attestation });
    }
  }

  /** An attestation of the own committee. */
  onAttest(from: number, message: Extract<CrossWireMessage, { type: "attest" }>): void {
    const { height, root, validator, signature } = message;
    if (from !== validator || height > this.#executedHeight + HEIGHTS_AHEAD) return;
    if (height <= this.#executedHeight && !this.#gathering.has(height)) return;
    const attestation = { validator, signature };
    const { chain } = this.#parts;
    const statement = outboxStatement(this.#parts.directory.nameOf(chain), height, root);
    if (!this.#parts.isSigned(attestation, statement)) return;
    this.#add(height, root, attestation);
  }

  /** A validator of another chain asks for a batch. */
  onWant(asker: number, { chain, sequence }: Extract<CrossWireMessage, { type: "want" }>): void {
    const kept = this.#kept[chain]?.get(sequence);
    if (kept !== undefined) {
      this.#parts.send(chain, asker, { type: "batch", certified: this.#certified(kept) });
    }
  }

  /** A validator of another chain tells how far that chain has come. */
  onConfirmed(chain: ChainId, validator: number, taken: number): void {
    const confirmed = this.#confirmed[chain];
    const kept = this.#kept[chain];
    if (confirmed === undefined || kept === undefined) return;
    confirmed.set(validator, Math.max(taken, confirmed.get(validator) ?? 0));
    const sure = this.#sureOf(chain);
    for (const sequence of kept.keys()) {
      if (sequence > sure) break;
      kept.delete(sequence);
    }
    this.#forgetConfirmed();
  }

  /** Nobody needs a certificate any more for what its receivers have. */
  #forgetConfirmed(): void {
    if (this.#gathering.size === 0) return;
    const sure = this.#confirmed.map((_, chain) => this.#sureOf(chain));
    for (const [height, { outbox }] of this.#gathering) {
      const isNeeded = outbox?.batches.some(({ to, sequence }) => sequence > (sure[to] ?? 0));
      if (isNeeded === false) this.#gathering.delete(height);
    }
  }

  /** The highest sequence that validators with more than a third of the power confirm. */
  #sureOf(chain: ChainId): number {
    const confirmed = this.#confirmed[chain] ?? [];
    const committee = this.#parts.directory.committeeOf(chain);
    const said = [...confirmed].sort(([, one], [, other]) => other - one);
    let power = 0;
    for (const [validator, taken] of said) {
      power += committee.powerOf(validator);
      if (power >= committee.minorityPower) return taken;
    }
    return 0;
  }

  #add(height: number, root: Digest, attestation: Attestation): void {
    const { attested, outbox } = this.#gatheringOf(height);
    attested.set(attestation.validator, { root, attestation });
    if (outbox === undefined) return;
    const { directory, chain } = this.#parts;
    const committee = directory.committeeOf(chain);
    const equal = [...attested.values()].filter((other) => other.root === outbox.root);
    const attestations = equal.map((other) => other.attestation);
    const power = committee.powerOfAll(attestations.map(({ validator }) => validator));
    if (power < committee.minorityPower) return;
    this.#gathering.delete(height);
    this.#complete(outbox, attestations);
  }

  #complete(outbox: Outbox, attestations: readonly Attestation[]): void {
    const { chain, height, root } = outbox;
    const byValidator = [...attestations].sort((one, other) => one.validator - other.validator);
    const certificate = { chain, height, root, attestations: byValidator };
    const { directory, index } = this.#parts;
    const isCarrier = height % directory.committeeOf(chain).size === index;
    outbox.batches.forEach((batch, at) => {
      const kept = { outbox, index: at, certificate };
      this.#kept[batch.to]?.set(batch.sequence, kept);
      if (!isCarrier) return;
      this.#parts.onCertified?.(batch);
      const message = { type: "batch", certified: this.#certified(kept) } as const;
      const receivers = directory.committeeOf(batch.to).size;
      for (let to = 0; to < receivers; to++) this.#parts.send(batch.to, to, message);
    });
  }

  #certified({ outbox, index, certificate }: Kept): CertifiedBatch {
    return certify(outbox, index, certificate);
  }

  #toCommittee(message: CrossWireMessage): void {
    const { directory, chain, index } = this.#parts;
    const { size } = directory.committeeOf(chain);
    for (let to = 0; to < size; to++) if (to !== index) this.#parts.send(chain, to, message);
  }

  #gatheringOf(height: number): Gathering {
    const known = this.#gathering.get(height) ?? { outbox: undefined, attested: new Map() };
    this.#gathering.set(height, known);
    return known;
  }
}
