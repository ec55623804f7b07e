import type { Block } from "../node/block.ts";
import { Findings, type Verdict } from "../oracles/verdict.ts";
import type { ChainState } from "../protocol/chain-context.ts";
import { makeOutbox } from "./batch.ts";
import { SILENT } from "./block-recorder.ts";
import type { BlockTimes } from "./flight.ts";
import { type ExecutedBlock, Replica, type ReplicaParts, type ReplicaSnapshot } from "./replica.ts";
import type { RunRecorder } from "./run-recorder.ts";

/** How blocks are executed in one process. */
export interface ExecutionOptions {
  /** `every`: by each validator; `memoised`: once a chain, and the others take the result. */
  readonly mode: "every" | "memoised";
  /** Memoised: share of the blocks that every validator executes nevertheless, and compares. */
  readonly checkedShare: number;
  readonly validators: number;
}

/** What the validators of a chain have found at one height. */
interface HeightRecord {
  readonly executed: ExecutedBlock;
  /** State before the block, where every validator executes it. */
  readonly before: ReplicaSnapshot | undefined;
}

/** Heights whose messages are kept for validators that come late; older ones keep their state. */
const HEIGHTS_IN_FULL = 8;

/** The first block that is checked on a chain is among so many. */
const CHECKED_FIRST_WITHIN = 8;

/**
 * The execution of one chain's blocks by all its validators in one process: compares what they
 * find, and has each effect recorded once, by the validator that is first to execute a block.
 */
export class ChainExecution {
  readonly #parts: ReplicaParts;
  readonly #options: ExecutionOptions;
  readonly #recorder: RunRecorder;
  readonly #replicas: Replica[];
  readonly #records = new Map<number, HeightRecord>();
  readonly #findings = new Findings();
  #checkedBlocks = 0;
  #height = 0;

  constructor(parts: ReplicaParts, options: ExecutionOptions, recorder: RunRecorder) {
    this.#parts = parts;
    this.#options = options;
    this.#recorder = recorder;
    const count = options.mode === "every" ? options.validators : 1;
    this.#replicas = Array.from({ length: count }, () => new Replica(parts));
  }

  /** Height of the newest block that some validator has executed. */
  get height(): number {
    return this.#height;
  }

  /** The newest state that some validator has reached. */
  get ledger(): Replica["ledger"] {
    return (this.#records.get(this.#height)?.executed ?? { ledger: this.#parts.genesis }).ledger;
  }

  /** The protocol's state as a validator has it; memoised: as the first one has it. */
  stateOf(validator: number): ChainState {
    return this.#replicaOf(validator).state;
  }

  /**
   * A validator executes its next block.
   *
   * @returns what came of it, and whether nobody had executed it before
   */
  execute(
    block: Block,
    validator: number,
    times: BlockTimes,
  ): { executed: ExecutedBlock; isFirst: boolean } {
    const known = this.#records.get(block.header.height);
    if (known === undefined)
      return { executed: this.#first(block, validator, times), isFirst: true };
    const { executed, before } = known;
    if (executed.blockId !== block.id) this.#tellFork(block, executed, validator);
    else if (this.#options.mode === "every") {
      this.#compare(this.#replicaOf(validator).execute(block, SILENT), executed, validator);
    } else if (before !== undefined) {
      this.#compare(new Replica(this.#parts, before).execute(block, SILENT), executed, validator);
    }
    return { executed, isFirst: false };
  }

  /** Agreement: one block a height, and one state after it. */
  verdict(): Verdict {
    return this.#findings.verdict("agreement", {
      heights: this.#height,
      checkedBlocks: this.#checkedBlocks,
    });
  }

  #first(block: Block, validator: number, times: BlockTimes): ExecutedBlock {
    const replica = this.#replicaOf(validator);
    const { height } = block.header;
    const before = this.#isChecked(height) ? replica.snapshot() : undefined;
    this.#recorder.beginBlock(this.#parts.chain.id, times);
    const executed = replica.execute(block, this.#recorder);
    this.#height = height;
    this.#records.set(height, { executed, before });
    this.#slim(height - HEIGHTS_IN_FULL);
    return executed;
  }

  #replicaOf(validator: number): Replica {
    return this.#replicas[this.#options.mode === "every" ? validator : 0] as Replica;
  }

  #isChecked(height: number): boolean {
    const { mode, checkedShare } = this.#options;
    if (mode === "every" || checkedShare <= 0) return false;
    const period = Math.max(1, Math.round(1 / checkedShare));
    // Early on every chain, so that short runs have some, and not at the same height on all.
    const first = 1 + (this.#parts.chain.id % Math.min(period, CHECKED_FIRST_WITHIN));
    return height >= first && (height - first) % period === 0;
  }

  #slim(height: number): void {
    const record = this.#records.get(height);
    if (record === undefined) return;
    const outbox = makeOutbox(this.#parts.chain.id, height, []);
    const executed = { ...record.executed, outbox, ledger: this.#parts.genesis };
    this.#records.set(height, { executed, before: undefined });
  }

  #compare(found: ExecutedBlock, expected: ExecutedBlock, validator: number): void {
    this.#checkedBlocks++;
    if (found.digest === expected.digest) return;
    const { name } = this.#parts.chain;
    this.#findings.add(
      `${name}, block ${expected.height}: validator ${validator} finds state ` +
        `${found.ledger.rootHex} and another found ${expected.ledger.rootHex}, or they send or ` +
        "admit different things: executing the block is not deterministic",
      [],
    );
  }

  #tellFork(block: Block, executed: ExecutedBlock, validator: number): void {
    const { name } = this.#parts.chain;
    this.#findings.add(
      `${name} forked at height ${executed.height}: validator ${validator} has block ` +
        `${block.id}, another has ${executed.blockId}`,
      [],
    );
  }
}
