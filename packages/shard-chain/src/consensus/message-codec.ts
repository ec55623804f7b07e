import {
  ByteCounter,
  type ByteReader,
  type ByteSink,
  ByteWriter,
  readBytes,
} from "../bytes/index.ts";
import type { PayloadCodec } from "../node/block.ts";
import type { ConsensusName } from "../node/consensus.ts";
import type { MessageCodec } from "../node/host.ts";
import { BlockCodec } from "./block-codec.ts";
import type { ConsensusMessage } from "./consensus-node.ts";
import type { HotStuffProposal, HotStuffTimeout } from "./hotstuff-messages.ts";
import type { PbftPrePrepare, PbftViewChange } from "./pbft-messages.ts";
import type { TendermintProposal } from "./tendermint-messages.ts";

/** First byte of a message, by its place. Never reordered: nodes of two versions may talk. */
const TYPES = [
  "vote",
  "status",
  "blocks",
  "proposal",
  "polka",
  "timeout",
  "request",
  "pre-prepare",
  "view-change",
] as const;

/** What each consensus takes; a message of another is unreadable to it. */
const TAKEN: Record<ConsensusName, readonly (typeof TYPES)[number][]> = {
  tendermint: ["vote", "status", "blocks", "proposal", "polka"],
  hotstuff: ["vote", "status", "blocks", "proposal", "timeout", "request"],
  pbft: ["vote", "status", "blocks", "pre-prepare", "view-change"],
};

/** Writes the messages of one consensus for sockets, reads them back, and tells their size. */
export class ConsensusCodec implements MessageCodec<ConsensusMessage> {
  readonly #name: ConsensusName;
  readonly #blocks: BlockCodec;

  constructor(name: ConsensusName, payloads: PayloadCodec) {
    this.#name = name;
    this.#blocks = new BlockCodec(payloads);
  }

  encode(message: ConsensusMessage): Uint8Array {
    const writer = new ByteWriter();
    this.#write(writer, message);
    return writer.written;
  }

  /** Length of `encode`, without encoding payloads. */
  sizeOf(message: ConsensusMessage): number {
    const counter = new ByteCounter();
    this.#write(counter, message);
    return counter.size;
  }

  decode(bytes: Uint8Array): ConsensusMessage | undefined {
    return readBytes(bytes, "consensus message", (reader) => this.#read(reader));
  }

  #write(sink: ByteSink, message: ConsensusMessage): void {
    const blocks = this.#blocks;
    sink.byte(TYPES.indexOf(message.type));
    switch (message.type) {
      case "vote":
        blocks.writeVote(sink, message.vote);
        break;
      case "status":
        sink.uint(message.height);
        sink.uint(message.round + 1);
        break;
      case "blocks":
        sink.uint(message.blocks.length);
        for (const block of message.blocks) blocks.writeCommitted(sink, block);
        break;
      case "proposal":
        if ("timeouts" in message) this.#writeHotStuffProposal(sink, message);
        else this.#writeTendermintProposal(sink, message);
        break;
      case "polka":
        blocks.writeBlock(sink, message.block);
        blocks.writeCertificate(sink, message.prevotes);
        break;
      case "timeout":
        this.#writeTimeout(sink, message);
        break;
      case "request":
        sink.digest(message.blockId);
        break;
      case "pre-prepare":
        this.#writePrePrepare(sink, message);
        break;
      case "view-change":
        this.#writeViewChange(sink, message);
        break;
    }
  }

  #read(reader: ByteReader): ConsensusMessage {
    const blocks = this.#blocks;
    const type = TYPES[reader.byte()];
    if (type === undefined || !TAKEN[this.#name].includes(type)) {
      reader.fail("a message of no type that this consensus takes");
    }
    switch (type) {
      case "vote":
        return { type, vote: blocks.readVote(reader) };
      case "status":
        return { type, height: reader.uint(), round: reader.uint() - 1 };
      case "blocks":
        return { type, blocks: reader.list(() => blocks.readCommitted(reader)) };
      case "proposal":
        return this.#name === "hotstuff"
          ? this.#readHotStuffProposal(reader)
          : this.#readTendermintProposal(reader);
      case "polka": {
        const block = blocks.readBlock(reader);
        return { type, block, prevotes: blocks.readCertificate(reader) };
      }
      case "timeout":
        return this.#readTimeout(reader);
      case "request":
        return { type, blockId: reader.digest() };
      case "pre-prepare":
        return this.#readPrePrepare(reader);
      case "view-change":
        return this.#readViewChange(reader);
    }
  }

  #writeTendermintProposal(sink: ByteSink, message: TendermintProposal): void {
    const { height, round, block, validRound, prevotes, proposer, signature } = message;
    sink.uint(height);
    sink.uint(round);
    this.#blocks.writeBlock(sink, block);
    sink.uint(validRound + 1);
    this.#blocks.writeOptional(sink, prevotes, (one) => this.#blocks.writeCertificate(sink, one));
    sink.uint(proposer);
    sink.bytes(signature);
  }

  #readTendermintProposal(reader: ByteReader): TendermintProposal {
    return {
      type: "proposal",
      height: reader.uint(),
      round: reader.uint(),
      block: this.#blocks.readBlock(reader),
      validRound: reader.uint() - 1,
      prevotes: this.#blocks.readOptional(reader, () => this.#blocks.readCertificate(reader)),
      proposer: reader.uint(),
      signature: reader.bytes(),
    };
  }

  #writeHotStuffProposal(sink: ByteSink, { block, timeouts, signature }: HotStuffProposal): void {
    this.#blocks.writeBlock(sink, block);
    sink.uint(timeouts.length);
    for (const timeout of timeouts) this.#writeTimeout(sink, timeout);
    sink.bytes(signature);
  }

  #readHotStuffProposal(reader: ByteReader): HotStuffProposal {
    return {
      type: "proposal",
      block: this.#blocks.readBlock(reader),
      timeouts: reader.list(() => this.#readTimeout(reader)),
      signature: reader.bytes(),
    };
  }

  #writeTimeout(sink: ByteSink, { view, highest, validator, signature }: HotStuffTimeout): void {
    sink.uint(view);
    this.#blocks.writeOptional(sink, highest, (one) => this.#blocks.writeCertificate(sink, one));
    sink.uint(validator);
    sink.bytes(signature);
  }

  #readTimeout(reader: ByteReader): HotStuffTimeout {
    return {
      type: "timeout",
      view: reader.uint(),
      highest: this.#blocks.readOptional(reader, () => this.#blocks.readCertificate(reader)),
      validator: reader.uint(),
      signature: reader.bytes(),
    };
  }

  #writePrePrepare(sink: ByteSink, message: PbftPrePrepare): void {
    const { height, view, block, viewChanges, primary, signature } = message;
    sink.uint(height);
    sink.uint(view);
    this.#blocks.writeBlock(sink, block);
    sink.uint(viewChanges.length);
    for (const change of viewChanges) this.#writeViewChange(sink, change);
    sink.uint(primary);
    sink.bytes(signature);
  }

  #readPrePrepare(reader: ByteReader): PbftPrePrepare {
    return {
      type: "pre-prepare",
      height: reader.uint(),
      view: reader.uint(),
      block: this.#blocks.readBlock(reader),
      viewChanges: reader.list(() => this.#readViewChange(reader)),
      primary: reader.uint(),
      signature: reader.bytes(),
    };
  }

  #writeViewChange(sink: ByteSink, change: PbftViewChange): void {
    const { height, view, prepared, validator, signature } = change;
    sink.uint(height);
    sink.uint(view);
    this.#blocks.writeOptional(sink, prepared, ({ block, prepares }) => {
      this.#blocks.writeBlock(sink, block);
      this.#blocks.writeCertificate(sink, prepares);
    });
    sink.uint(validator);
    sink.bytes(signature);
  }

  #readViewChange(reader: ByteReader): PbftViewChange {
    return {
      type: "view-change",
      height: reader.uint(),
      view: reader.uint(),
      prepared: this.#blocks.readOptional(reader, () => ({
        block: this.#blocks.readBlock(reader),
        prepares: this.#blocks.readCertificate(reader),
      })),
      validator: reader.uint(),
      signature: reader.bytes(),
    };
  }
}
