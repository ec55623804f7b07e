import type { PayloadPlace } from "../node/application.ts";
import {
  type Block,
  type Certificate,
  type CommitProof,
  type CommittedBlock,
  GENESIS_ID,
  type Payload,
  type Vote,
  type VoteKind,
} from "../node/block.ts";
import { agreedTimeMs, isSoundBlock, makeBlock, voteStatement } from "./block-id.ts";
import { type CommitLog, type ConsensusParts, MemoryCommitLog } from "./parts.ts";
import { VoteCheck } from "./vote-check.ts";

/** Blocks that one answer to a late validator holds at most. */
const BLOCKS_PER_ANSWER = 16;

/** A block's end of the chain that another can follow. */
export interface ChainTip {
  readonly id: string;
  readonly height: number;
  readonly timestampMs: number;
}

/**
 * Says where a validator stands without progress: asks for final blocks above its height and for
 * what was said in its round or later. Signed by nobody: it can only cost an answer.
 */
export interface StatusMessage {
  readonly type: "status";
  readonly height: number;
  /** Round or view. */
  readonly round: number;
}

/** Final blocks by rising height, each with its proof. */
export interface BlocksMessage {
  readonly type: "blocks";
  readonly blocks: readonly CommittedBlock[];
}

/** Before the first block. */
export const GENESIS_TIP: ChainTip = { id: GENESIS_ID, height: 0, timestampMs: 0 };

/**
 * The final part of a node's chain and what every consensus does with blocks: make one, check one,
 * vote, commit, and serve or take the blocks that a late validator misses.
 */
export class CommittedChain<Message> {
  readonly check: VoteCheck;
  readonly #parts: ConsensusParts<Message>;
  readonly #log: CommitLog;
  #tip: ChainTip = GENESIS_TIP;
  #lastProof: CommitProof | undefined;

  constructor(parts: ConsensusParts<Message>) {
    this.#parts = parts;
    this.#log = parts.commits ?? new MemoryCommitLog();
    this.check = new VoteCheck(parts.committee, parts.scheme, (operation, count) =>
      parts.link.charge(operation, count),
    );
    const last = this.#log.get(this.#log.lastHeight);
    if (last !== undefined) this.#advance(last);
  }

  get tip(): ChainTip {
    return this.#tip;
  }

  get height(): number {
    return this.#tip.height;
  }

  get lastProof(): CommitProof | undefined {
    return this.#lastProof;
  }

  /** A final block's own votes; in HotStuff those of its second successor. */
  get lastCertificate(): Certificate | undefined {
    return this.#lastProof?.certificate;
  }

  /** Makes a block of this validator after `parent`, whose certificate is `justify`. */
  makeBlock(
    parent: ChainTip,
    justify: Certificate | undefined,
    round: number,
    pending: readonly Block[] = [],
  ): Block {
    const { application, committee, link } = this.#parts;
    const place = this.#place(parent, justify, round, link.self, pending);
    const { height, timestampMs, proposer } = place;
    const payload: Payload = application.propose(place);
    return makeBlock(
      { chainId: committee.chainId, height, round, proposer, parentId: parent.id, timestampMs },
      payload,
      justify,
    );
  }

  /**
   * Whether a block may follow `parent`: it belongs together, carries the parent's certificate and
   * the agreed time, and the application accepts its payload.
   */
  isValid(block: Block, parent: ChainTip, kind: VoteKind, pending: readonly Block[] = []): boolean {
    return this.isJustified(block, parent, kind) && this.isContentValid(block, parent, pending);
  }

  /** The part of `isValid` that needs no state: it belongs here and its parent is certified. */
  isJustified(block: Block, parent: ChainTip, kind: VoteKind): boolean {
    const { header, justify } = block;
    if (!isSoundBlock(block)) return false;
    const { chainId } = this.#parts.committee;
    if (header.chainId !== chainId || header.parentId !== parent.id) return false;
    if ((justify === undefined) !== (parent.height === 0)) return false;
    if (justify === undefined) return true;
    if (justify.blockId !== parent.id || justify.height !== parent.height) return false;
    return this.check.isCertificate(justify, kind);
  }

  /** The rest of `isValid`. */
  isContentValid(block: Block, parent: ChainTip, pending: readonly Block[]): boolean {
    const { header, justify, payload } = block;
    const place = this.#place(parent, justify, header.round, header.proposer, pending);
    if (header.height !== place.height || header.timestampMs !== place.timestampMs) return false;
    return this.#parts.application.validate(payload, place);
  }

  /** Signs a vote of this validator; its time is after that of the block voted for. */
  signVote(fields: Omit<Vote, "validator" | "timestampMs" | "signature">, afterMs: number): Vote {
    const { link, signer, committee } = this.#parts;
    const timestampMs = Math.max(link.nowMs(), afterMs + 1);
    const vote = { ...fields, validator: link.self, timestampMs };
    link.charge("sign");
    return { ...vote, signature: signer.sign(voteStatement(committee.chainId, vote)) };
  }

  /** Makes the next block final and delivers it. */
  commit(block: Block, proof: CommitProof): void {
    const committed = { block, proof };
    this.#log.append(committed);
    this.#advance(committed);
    this.#parts.application.deliver(committed);
  }

  /** What a validator that stands at `height` misses; undefined when nothing, or not kept. */
  answer(height: number): BlocksMessage | undefined {
    if (!Number.isSafeInteger(height) || height < 0) return undefined;
    const blocks: CommittedBlock[] = [];
    while (blocks.length < BLOCKS_PER_ANSWER) {
      const block = this.#log.get(height + blocks.length + 1);
      if (block === undefined) break;
      blocks.push(block);
    }
    return blocks.length === 0 ? undefined : { type: "blocks", blocks };
  }

  /**
   * Commits blocks of an answer as far as they are next and proven, and asks for more when there
   * seem to be.
   *
   * @returns how many it took
   */
  take(from: number, message: BlocksMessage): number {
    let taken = 0;
    for (const { block, proof } of message.blocks.slice(0, BLOCKS_PER_ANSWER)) {
      if (block.header.height !== this.height + 1) continue;
      const isNext =
        block.header.parentId === this.#tip.id &&
        isSoundBlock(block) &&
        this.check.finalBlockId(proof) === block.id;
      if (!isNext) return taken;
      this.commit(block, proof);
      taken++;
    }
    if (taken === BLOCKS_PER_ANSWER) {
      this.#parts.link.send(from, { type: "status", height: this.height, round: 0 } as Message);
    }
    return taken;
  }

  #place(
    parent: ChainTip,
    justify: Certificate | undefined,
    round: number,
    proposer: number,
    pending: readonly Block[],
  ): PayloadPlace {
    const { committee } = this.#parts;
    const timestampMs = agreedTimeMs(justify, parent.timestampMs, (i) => committee.powerOf(i));
    return { height: parent.height + 1, round, timestampMs, proposer, pending };
  }

  #advance({ block, proof }: CommittedBlock): void {
    const { height, timestampMs } = block.header;
    this.#tip = { id: block.id, height, timestampMs };
    this.#lastProof = proof;
  }
}
