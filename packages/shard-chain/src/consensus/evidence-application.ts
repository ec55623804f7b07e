import { hash } from "node:crypto";
import { type ByteReader, ByteWriter, readBytes } from "../bytes/index.ts";
import type { Application, PayloadPlace } from "../node/application.ts";
import type { Block, CommittedBlock, Payload, PayloadCodec, Vote } from "../node/block.ts";
import { BlockCodec } from "./block-codec.ts";
import {
  type DoubleVoteEvidence,
  doubleVoteEvidence,
  EVIDENCE_BYTES,
  type EvidencePool,
} from "./evidence-pool.ts";
import type { StatementObserver } from "./parts.ts";

/** A payload with evidence before what the application has put in. */
interface EvidenceContent {
  readonly evidence: readonly DoubleVoteEvidence[];
  readonly inner: Payload;
}

const EVIDENCE_BYTES_MAX = 2 ** 20;
/** Double votes that wait for their heights' parents at most. Chosen. */
const EARLY_MAX = 64;

/** What stands around an application whose blocks carry evidence. */
export interface EvidenceParts {
  readonly application: Application;
  readonly pool: EvidencePool;
  /** Bytes of evidence in a block at most. Default: 1 MiB, as in Tendermint 0.35. */
  readonly bytesMax?: number;
  /**
   * Agreed time of each final block by height, 0 before the first; the age of evidence follows from
   * it. To be given where stored blocks are not delivered again after a restart. Default: none yet.
   */
  readonly timesMs?: number[];
  /** Evidence has become final: punish whom it names. Called before the block is delivered. */
  onEvidence(evidence: DoubleVoteEvidence, height: number): void;
}

/**
 * An application whose blocks carry evidence of double votes, as Tendermint's do: what a validator
 * has noticed goes into the next block it proposes, the others check it there, and each piece is
 * final once. The application inside sees its own payloads only.
 *
 * @see Tendermint specification, evidence
 */
export class EvidenceApplication implements Application {
  readonly #parts: EvidenceParts;
  readonly #timesMs: number[];
  /** Double votes for heights whose parents are not final yet, as HotStuff votes on. */
  #early: (readonly [Vote, Vote])[] = [];

  constructor(parts: EvidenceParts) {
    this.#parts = parts;
    this.#timesMs = parts.timesMs ?? [0];
  }

  /** Give it to the consensus, which notices double votes as it counts. */
  get observer(): StatementObserver {
    return {
      onDoubleVote: (first, second) => {
        const isEarly = first.height > this.#timesMs.length;
        if (!isEarly) this.#take(first, second);
        else if (this.#early.length < EARLY_MAX) this.#early.push([first, second]);
      },
    };
  }

  propose(place: PayloadPlace): Payload {
    const { application, pool, bytesMax = EVIDENCE_BYTES_MAX } = this.#parts;
    const { height, timestampMs } = place;
    const known = pendingEvidence(place);
    const evidence = pool
      .take(height, timestampMs, bytesMax)
      .filter((one) => !known.has(digestOf(one)));
    return wrap(evidence, application.propose(unwrapPlace(place)));
  }

  validate(payload: Payload, place: PayloadPlace): boolean {
    const { application, bytesMax = EVIDENCE_BYTES_MAX } = this.#parts;
    const { evidence, inner } = payload.content as EvidenceContent;
    if (evidence.length * EVIDENCE_BYTES > bytesMax) return false;
    const known = pendingEvidence(place);
    for (const one of evidence) {
      if (known.has(digestOf(one)) || !this.#isAcceptable(one, place)) return false;
      known.add(digestOf(one));
    }
    return application.validate(inner, unwrapPlace(place));
  }

  deliver(committed: CommittedBlock): void {
    const { application, pool, onEvidence } = this.#parts;
    const { payload, header } = committed.block;
    const { evidence } = payload.content as EvidenceContent;
    this.#timesMs[header.height] = header.timestampMs;
    const early = this.#early;
    this.#early = early.filter(([{ height }]) => height > this.#timesMs.length);
    for (const votes of early) if (!this.#early.includes(votes)) this.#take(...votes);
    pool.commit(evidence, header.height, header.timestampMs);
    for (const one of evidence) onEvidence(one, header.height);
    application.deliver({ ...committed, block: withoutEvidence(committed.block) });
  }

  #take(first: Vote, second: Vote): void {
    const timestampMs = this.#timesMs[first.height - 1];
    if (timestampMs === undefined) return;
    const evidence = doubleVoteEvidence(first, second, timestampMs);
    this.#parts.pool.add(evidence, first.height + 1, timestampMs);
  }

  /** The time that it tells must be true: else old evidence could be made young. */
  #isAcceptable(one: DoubleVoteEvidence, { height, timestampMs }: PayloadPlace): boolean {
    const isTimeTrue = this.#timesMs[one.first.height - 1] === one.timestampMs;
    return isTimeTrue && this.#parts.pool.isAcceptable(one, height, timestampMs);
  }
}

/** Payloads of an `EvidenceApplication`, for sockets. */
export function evidencePayloads(inner: PayloadCodec): PayloadCodec {
  const votes = new BlockCodec(inner);
  const readEvidence = (reader: ByteReader): DoubleVoteEvidence => ({
    first: votes.readVote(reader),
    second: votes.readVote(reader),
    timestampMs: reader.float(),
  });
  return {
    encode(payload) {
      const content = payload.content as EvidenceContent;
      const writer = new ByteWriter();
      writer.uint(content.evidence.length);
      for (const { first, second, timestampMs } of content.evidence) {
        votes.writeVote(writer, first);
        votes.writeVote(writer, second);
        writer.float(timestampMs);
      }
      return writer.bytes(inner.encode(content.inner)).copy();
    },
    decode: (bytes) =>
      readBytes(bytes, "payload with evidence", (reader) => {
        const evidence = reader.list(() => readEvidence(reader));
        return wrap(evidence, inner.decode(reader.bytes()) ?? reader.fail("no payload in it"));
      }),
  };
}

/** Evidence in the payload of a block of such an application. */
export function evidenceIn({ payload }: Block): readonly DoubleVoteEvidence[] {
  return (payload.content as EvidenceContent).evidence;
}

function wrap(evidence: readonly DoubleVoteEvidence[], inner: Payload): Payload {
  const content: EvidenceContent = { evidence, inner };
  return {
    digest: hash("sha256", ["evidence", ...evidence.map(digestOf), inner.digest].join("|")),
    sizeBytes: inner.sizeBytes + EVIDENCE_BYTES * evidence.length,
    content,
  };
}

/** The block as the application inside gets it. */
export function withoutEvidence(block: Block): Block {
  return { ...block, payload: (block.payload.content as EvidenceContent).inner };
}

function unwrapPlace(place: PayloadPlace): PayloadPlace {
  return { ...place, pending: place.pending.map(withoutEvidence) };
}

function pendingEvidence({ pending }: PayloadPlace): Set<string> {
  return new Set(pending.flatMap(evidenceIn).map(digestOf));
}

function digestOf({ first, second, timestampMs }: DoubleVoteEvidence): string {
  return hash(
    "sha256",
    ["double vote", timestampMs, ...textOf(first), ...textOf(second)].join("|"),
  );
}

function textOf(vote: Vote): (string | number)[] {
  const { kind, height, round, blockId, justifyRound, timestampMs, validator, signature } = vote;
  const signed = Buffer.from(signature).toString("base64");
  return [kind, height, round, blockId, justifyRound, timestampMs, validator, signed];
}
