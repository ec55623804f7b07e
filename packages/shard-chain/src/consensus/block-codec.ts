import type { ByteReader, ByteSink } from "../bytes/index.ts";
import type {
  Block,
  BlockHeader,
  Certificate,
  CommitProof,
  CommittedBlock,
  PayloadCodec,
  Vote,
  VoteKind,
} from "../node/block.ts";
import { blockIdOf } from "./block-id.ts";

const VOTE_KINDS: readonly VoteKind[] = ["prevote", "precommit", "vote", "prepare", "commit"];

/** Writes and reads what consensus messages are made of. */
export class BlockCodec {
  readonly #payloads: PayloadCodec;

  constructor(payloads: PayloadCodec) {
    this.#payloads = payloads;
  }

  writeVote(sink: ByteSink, vote: Vote): void {
    this.#writeSubject(sink, vote);
    this.#writeBallot(sink, vote);
  }

  readVote(reader: ByteReader): Vote {
    const subject = this.#readSubject(reader);
    return { ...subject, ...this.#readBallot(reader) };
  }

  writeCertificate(sink: ByteSink, certificate: Certificate): void {
    this.#writeSubject(sink, certificate);
    sink.uint(certificate.votes.length);
    for (const vote of certificate.votes) this.#writeBallot(sink, vote);
  }

  /** Its votes have its own height, round and block: no others can be written. */
  readCertificate(reader: ByteReader): Certificate {
    const subject = this.#readSubject(reader);
    const votes = reader.list(() => ({ ...subject, ...this.#readBallot(reader) }));
    return { ...subject, votes };
  }

  writeHeader(sink: ByteSink, header: BlockHeader): void {
    sink.text(header.chainId);
    sink.uint(header.height);
    sink.uint(header.round);
    sink.uint(header.proposer);
    sink.digest(header.parentId);
    sink.float(header.timestampMs);
    sink.digest(header.payloadDigest);
    sink.digest(header.justifyDigest);
  }

  readHeader(reader: ByteReader): BlockHeader {
    return {
      chainId: reader.text(),
      height: reader.uint(),
      round: reader.uint(),
      proposer: reader.uint(),
      parentId: reader.digest(),
      timestampMs: reader.float(),
      payloadDigest: reader.digest(),
      justifyDigest: reader.digest(),
    };
  }

  /** The id is not written: the reader computes it. */
  writeBlock(sink: ByteSink, { header, payload, justify }: Block): void {
    this.writeHeader(sink, header);
    sink.blob(payload.sizeBytes, () => this.#payloads.encode(payload));
    this.writeOptional(sink, justify, (one) => this.writeCertificate(sink, one));
  }

  readBlock(reader: ByteReader): Block {
    const header = this.readHeader(reader);
    const payload = this.#payloads.decode(reader.bytes());
    if (payload === undefined) reader.fail("a payload that is none");
    const justify = this.readOptional(reader, () => this.readCertificate(reader));
    return { id: blockIdOf(header), header, payload, justify };
  }

  writeCommitted(sink: ByteSink, { block, proof }: CommittedBlock): void {
    this.writeBlock(sink, block);
    this.writeProof(sink, proof);
  }

  readCommitted(reader: ByteReader): CommittedBlock {
    return { block: this.readBlock(reader), proof: this.readProof(reader) };
  }

  writeProof(sink: ByteSink, { headers, certificate }: CommitProof): void {
    sink.uint(headers.length);
    for (const header of headers) this.writeHeader(sink, header);
    this.writeCertificate(sink, certificate);
  }

  readProof(reader: ByteReader): CommitProof {
    const headers = reader.list(() => this.readHeader(reader));
    return { headers, certificate: this.readCertificate(reader) };
  }

  writeOptional<T>(sink: ByteSink, value: T | undefined, write: (value: T) => void): void {
    sink.byte(value === undefined ? 0 : 1);
    if (value !== undefined) write(value);
  }

  readOptional<T>(reader: ByteReader, read: () => T): T | undefined {
    return reader.flag() ? read() : undefined;
  }

  #writeSubject(
    sink: ByteSink,
    { kind, height, round, blockId }: Omit<Certificate, "votes">,
  ): void {
    sink.byte(VOTE_KINDS.indexOf(kind));
    sink.uint(height);
    sink.uint(round);
    sink.digest(blockId);
  }

  #readSubject(reader: ByteReader): Omit<Certificate, "votes"> {
    const kind = VOTE_KINDS[reader.byte()] ?? reader.fail("a vote of no known kind");
    return { kind, height: reader.uint(), round: reader.uint(), blockId: reader.digest() };
  }

  /** What differs between the votes of a certificate. */
  #writeBallot(sink: ByteSink, { justifyRound, timestampMs, validator, signature }: Vote): void {
    sink.uint(justifyRound + 1);
    sink.float(timestampMs);
    sink.uint(validator);
    sink.bytes(signature);
  }

  #readBallot(
    reader: ByteReader,
  ): Pick<Vote, "justifyRound" | "timestampMs" | "validator" | "signature"> {
    return {
      justifyRound: reader.uint() - 1,
      timestampMs: reader.float(),
      validator: reader.uint(),
      signature: reader.bytes(),
    };
  }
}
