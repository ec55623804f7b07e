import { type ByteReader, type ByteSink, ByteWriter, readBytes } from "../bytes/index.ts";
import type { PayloadCodec } from "../node/block.ts";
import type { ConsensusName } from "../node/consensus.ts";
import { BlockCodec } from "./block-codec.ts";
import type { ConsensusMessage } from "./consensus-node.ts";
import type { HotStuffState } from "./hotstuff.ts";
import type { HotStuffProposal } from "./hotstuff-messages.ts";
import { ConsensusCodec } from "./message-codec.ts";
import type { PbftState } from "./pbft.ts";
import type { PbftMessage, PbftPrePrepare } from "./pbft-messages.ts";
import { STEPS, type TendermintState } from "./tendermint.ts";
import type { PolkaMessage, TendermintMessage } from "./tendermint-messages.ts";

/** What a validator of any consensus keeps over a crash. */
export type ConsensusState = TendermintState | HotStuffState | PbftState;

/** Writes what a validator must not forget, for disks. */
export class StateCodec {
  readonly #name: ConsensusName;
  readonly #blocks: BlockCodec;
  readonly #messages: ConsensusCodec;

  constructor(name: ConsensusName, payloads: PayloadCodec) {
    this.#name = name;
    this.#blocks = new BlockCodec(payloads);
    this.#messages = new ConsensusCodec(name, payloads);
  }

  encode(state: ConsensusState): Uint8Array {
    const writer = new ByteWriter(1_024);
    if ("said" in state) this.#writeTendermint(writer, state);
    else if ("pending" in state) this.#writeHotStuff(writer, state);
    else this.#writePbft(writer, state);
    return writer.written;
  }

  /** Undefined for bytes that no state of this consensus was written as. */
  decode(bytes: Uint8Array): ConsensusState | undefined {
    return readBytes(bytes, "consensus state", (reader) => this.#read(reader));
  }

  #read(reader: ByteReader): ConsensusState {
    if (this.#name === "tendermint") return this.#readTendermint(reader);
    return this.#name === "hotstuff" ? this.#readHotStuff(reader) : this.#readPbft(reader);
  }

  #writeTendermint(sink: ByteSink, state: TendermintState): void {
    sink.uint(state.height);
    sink.uint(state.round);
    sink.byte(STEPS.indexOf(state.step));
    sink.uint(state.lockedRound + 1);
    sink.digest(state.lockedId);
    this.#blocks.writeOptional(sink, state.valid, (valid) => this.#writeMessage(sink, valid));
    sink.uint(state.said.length);
    for (const [round, messages] of state.said) {
      sink.uint(round);
      this.#writeMessages(sink, messages);
    }
  }

  #readTendermint(reader: ByteReader): TendermintState {
    const [height, round] = [reader.uint(), reader.uint()];
    const step = STEPS[reader.byte()] ?? reader.fail("a step that there is not");
    return {
      height,
      round,
      step,
      lockedRound: reader.uint() - 1,
      lockedId: reader.digest(),
      valid: this.#blocks.readOptional(reader, () => this.#readMessage<PolkaMessage>(reader)),
      said: reader.list(
        () => [reader.uint(), this.#readMessages<TendermintMessage>(reader)] as const,
      ),
    };
  }

  #writeHotStuff(sink: ByteSink, state: HotStuffState): void {
    const { view, votedView, proposedView, lockedView, lockedHeight } = state;
    for (const number of [view, votedView, proposedView, lockedView, lockedHeight]) {
      sink.uint(number);
    }
    sink.digest(state.lockedId);
    this.#blocks.writeOptional(sink, state.highest, (one) => {
      this.#blocks.writeCertificate(sink, one);
    });
    this.#writeMessages(sink, state.pending);
  }

  #readHotStuff(reader: ByteReader): HotStuffState {
    return {
      view: reader.uint(),
      votedView: reader.uint(),
      proposedView: reader.uint(),
      lockedView: reader.uint(),
      lockedHeight: reader.uint(),
      lockedId: reader.digest(),
      highest: this.#blocks.readOptional(reader, () => this.#blocks.readCertificate(reader)),
      pending: this.#readMessages<HotStuffProposal>(reader),
    };
  }

  #writePbft(sink: ByteSink, state: PbftState): void {
    sink.uint(state.height);
    sink.uint(state.view);
    this.#blocks.writeOptional(sink, state.prepared, ({ block, prepares }) => {
      this.#blocks.writeBlock(sink, block);
      this.#blocks.writeCertificate(sink, prepares);
    });
    this.#blocks.writeOptional(sink, state.accepted, (one) => this.#writeMessage(sink, one));
    this.#writeMessages(sink, state.sent);
  }

  #readPbft(reader: ByteReader): PbftState {
    return {
      height: reader.uint(),
      view: reader.uint(),
      prepared: this.#blocks.readOptional(reader, () => ({
        block: this.#blocks.readBlock(reader),
        prepares: this.#blocks.readCertificate(reader),
      })),
      accepted: this.#blocks.readOptional(reader, () => this.#readMessage<PbftPrePrepare>(reader)),
      sent: this.#readMessages<PbftMessage>(reader),
    };
  }

  #writeMessages(sink: ByteSink, messages: readonly ConsensusMessage[]): void {
    sink.uint(messages.length);
    for (const message of messages) this.#writeMessage(sink, message);
  }

  #readMessages<Message extends ConsensusMessage>(reader: ByteReader): Message[] {
    return reader.list(() => this.#readMessage<Message>(reader));
  }

  #writeMessage(sink: ByteSink, message: ConsensusMessage): void {
    sink.bytes(this.#messages.encode(message));
  }

  #readMessage<Message extends ConsensusMessage>(reader: ByteReader): Message {
    const message = this.#messages.decode(reader.bytes());
    return (message ?? reader.fail("a message that is none")) as Message;
  }
}
