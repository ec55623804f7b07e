import { type ByteReader, ByteWriter, readBytes } from "../bytes/index.ts";
import { digestFromHex, digestToHex } from "../ledger/hash.ts";
import type { PayloadCodec } from "../node/block.ts";
import { type BlockContent, makePayload } from "./block-content.ts";
import {
  readCertified,
  readNote,
  readTransaction,
  writeCertified,
  writeNote,
  writeTransaction,
} from "./cross-codec.ts";

/** Contents of shards' blocks, for sockets. */
export const SHARD_PAYLOADS: PayloadCodec = {
  encode(payload) {
    const content = payload.content as BlockContent;
    const writer = new ByteWriter(4_096);
    writer.uint(content.executedHeight).latin1(digestFromHex(content.stateRoot) ?? "");
    writer.uint(content.inbox.length);
    for (const certified of content.inbox) writeCertified(writer, certified);
    writer.uint(content.notes.length);
    for (const note of content.notes) writeNote(writer, note);
    writer.uint(content.transactions.length);
    for (const transaction of content.transactions) writeTransaction(writer, transaction);
    return writer.copy();
  },
  decode(bytes) {
    const content = readBytes(bytes, "content of a block", readContent);
    return content && makePayload(content);
  },
};

function readContent(reader: ByteReader): BlockContent {
  return {
    executedHeight: reader.uint(),
    stateRoot: digestToHex(reader.latin1(32)),
    inbox: reader.list(() => readCertified(reader)),
    notes: reader.list(() => readNote(reader)),
    transactions: reader.list(() => readTransaction(reader)),
  };
}
