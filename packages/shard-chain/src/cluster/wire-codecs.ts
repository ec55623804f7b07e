import { type ByteReader, ByteWriter, readBytes } from "../bytes/index.ts";
import { consensusChannel } from "../consensus/consensus-node.ts";
import { evidencePayloads } from "../consensus/evidence-application.ts";
import { ConsensusCodec } from "../consensus/message-codec.ts";
import type { ConsensusName } from "../node/consensus.ts";
import type { MessageCodec } from "../node/host.ts";
import type { DutyMessage } from "../protocol/node-duty.ts";
import type { Note } from "../protocol/note.ts";
import {
  CROSS_CODEC,
  readNote,
  readTransaction,
  writeNote,
  writeTransaction,
} from "../runtime/cross-codec.ts";
import { CROSS_CHANNEL } from "../runtime/cross-wire.ts";
import { readData, writeData } from "../runtime/data-codec.ts";
import { SHARD_PAYLOADS } from "../runtime/payload-codec.ts";
import {
  CLIENT_CHANNEL,
  type ClientMessage,
  DUTY_CHANNEL,
  NOTE_CHANNEL,
} from "../runtime/shard-node.ts";

/** Contents of a cluster's blocks: evidence of double votes, then what a shard's block holds. */
export const CLUSTER_PAYLOADS = evidencePayloads(SHARD_PAYLOADS);

/** How every channel's messages of a sharded chain are written for sockets, by channel. */
export function wireCodecs(
  consensus: ConsensusName,
  chainNames: readonly string[],
): Map<string, MessageCodec<unknown>> {
  const votes = new ConsensusCodec(consensus, CLUSTER_PAYLOADS);
  const channels: [string, object][] = [
    ...chainNames.map((name): [string, object] => [consensusChannel(name), votes]),
    [CROSS_CHANNEL, CROSS_CODEC],
    [CLIENT_CHANNEL, CLIENT_CODEC],
    [NOTE_CHANNEL, NOTE_CODEC],
    [DUTY_CHANNEL, DUTY_CODEC],
  ];
  // A codec is only ever given bodies of its own channel.
  return new Map(channels as [string, MessageCodec<unknown>][]);
}

const CLIENT_CODEC: MessageCodec<ClientMessage> = {
  encode({ transactions }) {
    const writer = new ByteWriter(4_096);
    writer.uint(transactions.length);
    for (const transaction of transactions) writeTransaction(writer, transaction);
    return writer.copy();
  },
  decode: (bytes) =>
    readBytes(bytes, "message of clients", (reader) => ({
      transactions: reader.list(() => readTransaction(reader)),
    })),
};

const NOTE_CODEC: MessageCodec<Note> = {
  encode(note) {
    const writer = new ByteWriter(4_096);
    writeNote(writer, note);
    return writer.copy();
  },
  decode: (bytes) => readBytes(bytes, "note", readNote),
};

const DUTY_CODEC: MessageCodec<DutyMessage> = {
  encode({ kind, transactions, data }) {
    const writer = new ByteWriter(4_096);
    writer.text(kind).byte(transactions === undefined ? 0 : 1);
    if (transactions !== undefined) {
      writer.uint(transactions.length);
      for (const transaction of transactions) writeTransaction(writer, transaction);
    }
    writeData(writer, data);
    return writer.copy();
  },
  decode: (bytes) =>
    readBytes(bytes, "message of a duty", (reader) => readDuty(reader, bytes.length)),
};

function readDuty(reader: ByteReader, sizeBytes: number): DutyMessage {
  const kind = reader.text();
  const hasBodies = reader.flag();
  const bodies = hasBodies && { transactions: reader.list(() => readTransaction(reader)) };
  return { kind, ...bodies, data: readData(reader), sizeBytes };
}
