import { ByteWriter, readBytes } from "../bytes/index.ts";
import { BlockCodec } from "../consensus/block-codec.ts";
import type { CommitLog } from "../consensus/parts.ts";
import { ShardChainError } from "../errors.ts";
import { BlockLog } from "../ledger/block-log.ts";
import type { CommittedBlock, PayloadCodec } from "../node/block.ts";

/** Newest blocks that are kept decoded, for validators a little behind. Chosen. */
const BLOCKS_IN_MEMORY = 64;

/** A validator's final blocks on its disk. A block is stored when `append` returns. */
export class DiskCommitLog implements CommitLog {
  readonly #path: string;
  readonly #log: BlockLog;
  readonly #codec: BlockCodec;
  readonly #newest = new Map<number, CommittedBlock>();

  /**
   * Opens a log, or makes an empty one; a block that a crash tore is dropped.
   *
   * @throws ShardChainError `UNREADABLE` | `CORRUPT_LOG`
   */
  constructor(filePath: string, payloads: PayloadCodec) {
    this.#path = filePath;
    this.#log = BlockLog.open(filePath).log;
    this.#codec = new BlockCodec(payloads);
  }

  get lastHeight(): number {
    return this.#log.count;
  }

  /** @throws ShardChainError `CORRUPT_LOG` for a stored block that this consensus cannot read */
  get(height: number): CommittedBlock | undefined {
    const known = this.#newest.get(height);
    if (known !== undefined) return known;
    const bytes = this.#log.read(height - 1);
    if (bytes === undefined) return undefined;
    const block = readBytes(bytes, "stored block", (reader) => this.#codec.readCommitted(reader));
    if (block?.block.header.height === height) return block;
    const problem = `block ${height} does not read as one of this chain`;
    throw new ShardChainError(
      `${this.#path}: ${problem}; give the validator an empty folder and let it catch up`,
      { code: "CORRUPT_LOG", path: this.#path, offset: 0, problem },
    );
  }

  /** Every block, the oldest first. */
  *blocks(): Generator<CommittedBlock> {
    for (let height = 1; height <= this.lastHeight; height++) {
      const block = this.get(height);
      if (block !== undefined) yield block;
    }
  }

  /** @throws ShardChainError `LOG_NOT_WRITTEN` */
  append(committed: CommittedBlock): void {
    const writer = new ByteWriter(8_192);
    this.#codec.writeCommitted(writer, committed);
    this.#log.append(writer.written);
    this.#newest.set(this.lastHeight, committed);
    this.#newest.delete(this.lastHeight - BLOCKS_IN_MEMORY);
  }

  close(): void {
    this.#log.close();
  }
}
