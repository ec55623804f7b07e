// Outline: messages in; pre-prepares and votes; view changes; heights; messages out and what is
// said again without progress.

import type { Block, CommitProof, Vote } from "../node/block.ts";
import type { Consensus, ConsensusTimer } from "../node/consensus.ts";
import { highestBackedView } from "./backed-view.ts";
import { isSoundBlock, proposalStatement } from "./block-id.ts";
import { CommittedChain } from "./chain.ts";
import type { ConsensusParts } from "./parts.ts";
import {
  type PbftMessage,
  type PbftPrePrepare,
  type PbftViewChange,
  type PreparedBlock,
  viewChangeStatement,
} from "./pbft-messages.ts";
import { Tally } from "./tally.ts";

/** Views ahead of its own for which a validator keeps votes. */
const VIEWS_AHEAD = 64;
/** Doublings of the view's time-out; more would only sleep. */
const DOUBLINGS_MAX = 10;
/** Heights after which the next validator becomes primary; chosen. */
const TERM_HEIGHTS = 64;
/** Messages for the next height that a validator keeps, for each of the others. */
const EARLY_MESSAGES_PER_VALIDATOR = 32;

/** What must outlive a crash. */
export interface PbftState {
  readonly height: number;
  readonly view: number;
  readonly prepared: PreparedBlock | undefined;
  /** The pre-prepare accepted in the view; another one of the view is refused. */
  readonly accepted: PbftPrePrepare | undefined;
  readonly sent: readonly PbftMessage[];
}

/** What a validator has counted in one view. */
interface ViewLog {
  readonly prepares: Tally;
  readonly commits: Tally;
}

/**
 * PBFT (Castro and Liskov 1999) with one block at a time: pre-prepare, prepare, commit; view change
 * on time-out, with the prepared certificates. As in BlockEmulator sequence numbers are block
 * heights, so a final block is its own checkpoint and there are no watermarks.
 *
 * Views count from 0 at each height. Primary of view 0 is who made the last block, so a primary
 * stays until it fails and then its successor stays, without a view change a height. It also ends
 * with its term: the paper has clients' time-outs depose a primary that leaves requests out, and a
 * term does so without clients.
 */
export class Pbft implements Consensus<PbftMessage> {
  protected readonly parts: ConsensusParts<PbftMessage>;
  protected readonly chain: CommittedChain<PbftMessage>;
  #prepared: PreparedBlock | undefined;
  #view = 0;
  /** Whether pre-prepares of the view may come, or a quorum to open it is still missing. */
  #isOpen = false;
  #accepted: PbftPrePrepare | undefined;
  #hasCommitted = false;
  #views = new Map<number, ViewLog>();
  #blocks = new Map<string, Block>();
  #verdicts = new Map<string, boolean>();
  #viewChanges = new Map<number, PbftViewChange>();
  #early: { from: number; message: PbftMessage }[] = [];
  #sent: PbftMessage[] = [];
  #timer: ConsensusTimer | undefined;
  #standingSince = "";

  constructor(parts: ConsensusParts<PbftMessage>) {
    this.parts = parts;
    this.chain = new CommittedChain(parts);
  }

  get committedHeight(): number {
    return this.chain.height;
  }

  get lastProof(): CommitProof | undefined {
    return this.chain.lastProof;
  }

  get #height(): number {
    return this.chain.height + 1;
  }

  start(): void {
    this.#watchProgress();
    const kept = this.parts.store?.load() as PbftState | undefined;
    if (kept?.height === this.#height) this.#resume(kept);
    else this.#openView(0, []);
  }

  onMessage(from: number, message: PbftMessage): void {
    switch (message.type) {
      case "status": {
        const answer = message.height < this.chain.height && this.chain.answer(message.height);
        if (answer) this.parts.link.send(from, answer);
        break;
      }
      case "blocks":
        if (this.chain.take(from, message) > 0) this.#enterHeight();
        break;
      case "vote":
        if (this.#isForThisHeight(from, message.vote.height, message)) this.#onVote(message.vote);
        break;
      case "pre-prepare":
        if (this.#isForThisHeight(from, message.height, message)) this.#onPrePrepare(message);
        break;
      case "view-change":
        if (this.#isForThisHeight(from, message.height, message)) this.#onViewChange(message);
        break;
    }
  }

  #isForThisHeight(from: number, height: number, message: PbftMessage): boolean {
    if (height === this.#height + 1) {
      const kept = this.#early.filter((early) => early.from === from).length;
      if (kept < EARLY_MESSAGES_PER_VALIDATOR) this.#early.push({ from, message });
    }
    return height === this.#height;
  }

  #onPrePrepare(message: PbftPrePrepare): void {
    const { view, block, viewChanges, primary, signature } = message;
    const isDue = isView(view) && (view > this.#view || (view === this.#view && !this.#accepted));
    if (!isDue || primary !== this.#primaryOf(view) || !isSoundBlock(block)) return;
    const statement = this.#proposalStatement(message);
    if (!this.chain.check.isSigned(message, primary, statement, signature)) return;
    if (view > 0 && !this.#isNewView(message, viewChanges)) return;
    if (!this.#isValid(block) || (view === 0 && block.header.round !== 0)) return;
    if (view > this.#view || !this.#isOpen) this.#openView(view, undefined);
    this.#accepted = message;
    this.#blocks.set(block.id, block);
    this.#vote("prepare", block);
    this.#advance();
  }

  /** Whether the view changes open the view and allow the block. */
  #isNewView({ view, block }: PbftPrePrepare, viewChanges: readonly PbftViewChange[]): boolean {
    const { committee } = this.parts;
    if (viewChanges.length > committee.size) return false;
    const power = committee.powerOfAll(viewChanges.map(({ validator }) => validator));
    if (power < committee.quorumPower) return false;
    if (!viewChanges.every((one) => one.view >= view && this.#isViewChange(one))) return false;
    return this.#mayFollow(viewChanges, block, view);
  }

  /** The block prepared in the highest view, or a new one of this view when none is prepared. */
  #mayFollow(changes: readonly PbftViewChange[], block: Block, view: number): boolean {
    const prepared = this.preparedAmong(changes);
    return prepared === undefined ? block.header.round === view : block.id === prepared.block.id;
  }

  /** The block that was prepared in the highest view that view changes tell of. */
  protected preparedAmong(changes: readonly PbftViewChange[]): PreparedBlock | undefined {
    let highest: PreparedBlock | undefined;
    for (const { prepared } of changes) {
      if ((prepared?.prepares.round ?? -1) > (highest?.prepares.round ?? -1)) highest = prepared;
    }
    return highest;
  }

  /** What a view change tells. */
  protected preparedForViewChange(): PreparedBlock | undefined {
    return this.#prepared;
  }

  #isViewChange(change: PbftViewChange): boolean {
    const { height, view, prepared, validator, signature } = change;
    if (height !== this.#height || !isView(view)) return false;
    const statement = viewChangeStatement(this.parts.committee.chainId, change);
    if (!this.chain.check.isSigned(change, validator, statement, signature)) return false;
    if (prepared === undefined) return true;
    const { block, prepares } = prepared;
    return (
      prepares.height === height &&
      prepares.round < view &&
      prepares.blockId === block.id &&
      isSoundBlock(block) &&
      this.chain.check.isCertificate(prepares, "prepare")
    );
  }

  #onVote(vote: Vote): void {
    if (vote.kind !== "prepare" && vote.kind !== "commit") return;
    const isNear =
      vote.round === 0 || (isView(vote.round) && vote.round <= this.#view + VIEWS_AHEAD);
    if (!isNear || !this.chain.check.isVote(vote)) return;
    this.#count(vote);
    this.#advance();
  }

  #count(vote: Vote): void {
    const log = this.#logOf(vote.round);
    const found = (vote.kind === "prepare" ? log.prepares : log.commits).add(vote);
    if (found === "known") return;
    this.parts.observer?.onVote?.(vote);
    if (found !== undefined) this.parts.observer?.onDoubleVote?.(found, vote);
  }

  /** Commits when prepared, decides when committed. */
  #advance(): void {
    const { quorumPower } = this.parts.committee;
    const accepted = this.#accepted;
    if (accepted !== undefined && this.#isOpen && !this.#hasCommitted) {
      const { prepares } = this.#logOf(this.#view);
      const { block } = accepted;
      if (prepares.powerFor(block.id) >= quorumPower) {
        const proof = prepares.certificate("prepare", this.#height, this.#view, block.id);
        this.#prepared = { block, prepares: proof };
        this.#hasCommitted = true;
        this.#vote("commit", block);
      }
    }
    for (const [view, { commits }] of this.#views) {
      const block = this.#blocks.get(commits.quorumBlock() ?? "");
      if (block === undefined) continue;
      const certificate = commits.certificate("commit", this.#height, view, block.id);
      this.chain.commit(block, { headers: [block.header], certificate });
      this.#enterHeight();
      return;
    }
  }

  #onViewChange(change: PbftViewChange): void {
    const { view, validator, prepared } = change;
    const isNewer = view > (this.#viewChanges.get(validator)?.view ?? 0);
    if (!isNewer || !this.#isViewChange(change)) return;
    this.#viewChanges.set(validator, change);
    if (prepared !== undefined && this.#isValid(prepared.block)) {
      this.#blocks.set(prepared.block.id, prepared.block);
    }
    const { committee } = this.parts;
    const opened = highestBackedView(committee, this.#viewChanges, committee.quorumPower);
    if (opened > this.#view || (opened === this.#view && !this.#isOpen && opened > 0)) {
      const backing = [...this.#viewChanges.values()].filter((one) => one.view >= opened);
      this.#openView(opened, backing);
      return;
    }
    const pulled = highestBackedView(committee, this.#viewChanges, committee.minorityPower);
    if (pulled > this.#view) this.#changeView(pulled);
  }

  /** Leaves the present view and asks for another. */
  #changeView(view: number): void {
    const { link, signer, committee } = this.parts;
    this.#view = view;
    this.#isOpen = false;
    this.#accepted = undefined;
    this.#hasCommitted = false;
    this.#sent = [];
    this.#stopTimer();
    const prepared = this.preparedForViewChange();
    const fields = { height: this.#height, view, prepared, validator: link.self };
    link.charge("sign");
    const signature = signer.sign(viewChangeStatement(committee.chainId, fields));
    const change: PbftViewChange = { type: "view-change", ...fields, signature };
    this.#send(change);
    this.#onViewChange(change);
  }

  /** @param viewChanges what opens the view; undefined when its primary has shown that */
  #openView(view: number, viewChanges: readonly PbftViewChange[] | undefined): void {
    const { link, timing } = this.parts;
    this.#view = view;
    this.#isOpen = true;
    this.#accepted = undefined;
    this.#hasCommitted = false;
    this.#sent = [];
    this.#stopTimer();
    const waitMs = timing.proposeMs * 2 ** Math.min(view, DOUBLINGS_MAX);
    this.#timer = link.setTimer(waitMs, () => this.#changeView(view + 1));
    if (viewChanges === undefined || this.#primaryOf(view) !== link.self) return;
    const block =
      this.preparedAmong(viewChanges)?.block ??
      this.chain.makeBlock(this.chain.tip, this.chain.lastCertificate, view);
    this.#prePrepare(block, viewChanges);
  }

  #prePrepare(block: Block, viewChanges: readonly PbftViewChange[]): void {
    const { link, signer, committee } = this.parts;
    link.charge("sign");
    const [height, view, primary] = [this.#height, this.#view, link.self];
    const fields = { height, round: view, blockId: block.id, extra: -1 };
    const signature = signer.sign(proposalStatement(committee.chainId, fields));
    const message: PbftPrePrepare = {
      type: "pre-prepare",
      height,
      view,
      block,
      viewChanges,
      primary,
      signature,
    };
    this.#send(message);
    this.#onPrePrepare(message);
  }

  #vote(kind: "prepare" | "commit", { id, header }: Block): void {
    const fields = { kind, height: this.#height, round: this.#view, blockId: id, justifyRound: -1 };
    const vote = this.chain.signVote(fields, header.timestampMs);
    this.#send({ type: "vote", vote });
    this.#count(vote);
  }

  #enterHeight(): void {
    this.#stopTimer();
    this.#view = 0;
    this.#isOpen = false;
    this.#accepted = undefined;
    this.#hasCommitted = false;
    this.#prepared = undefined;
    this.#views = new Map();
    this.#blocks = new Map();
    this.#verdicts = new Map();
    this.#viewChanges = new Map();
    this.#sent = [];
    const height = this.#height;
    this.parts.link.setTimer(this.parts.timing.pauseMs, () => {
      const isWaiting = this.#height === height && this.#view === 0 && !this.#isOpen;
      if (isWaiting) this.#openView(0, []);
    });
    const early = this.#early;
    this.#early = [];
    for (const { from, message } of early) this.onMessage(from, message);
  }

  #resume({ view, prepared, accepted, sent }: PbftState): void {
    this.#openView(view, undefined);
    this.#isOpen = view === 0 || accepted !== undefined;
    this.#prepared = prepared;
    this.#accepted = accepted;
    this.#sent = [...sent];
    if (accepted !== undefined) this.#blocks.set(accepted.block.id, accepted.block);
    if (prepared !== undefined) this.#blocks.set(prepared.block.id, prepared.block);
    for (const message of sent) {
      if (message.type === "vote") this.#count(message.vote);
      if (message.type === "vote") this.#hasCommitted ||= message.vote.kind === "commit";
      if (message.type === "view-change") this.#viewChanges.set(message.validator, message);
      this.parts.link.broadcast(message);
    }
    this.#advance();
  }

  /** Written down before it is said. */
  #send(message: PbftMessage): void {
    this.#sent.push(message);
    this.parts.store?.save({
      height: this.#height,
      view: this.#view,
      prepared: this.#prepared,
      accepted: this.#accepted,
      sent: [...this.#sent],
    } satisfies PbftState);
    this.parts.link.broadcast(message);
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) this.parts.link.cancelTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Without progress: says again what it said in this view, and asks for blocks it misses. */
  #watchProgress(): void {
    this.parts.link.setTimer(this.parts.timing.resendMs, () => {
      const standing = `${this.#height}/${this.#view}`;
      if (standing === this.#standingSince) {
        for (const message of this.#sent) this.parts.link.broadcast(message);
        this.parts.link.broadcast({ type: "status", height: this.chain.height, round: this.#view });
      }
      this.#standingSince = standing;
      this.#watchProgress();
    });
  }

  #isValid(block: Block): boolean {
    let verdict = this.#verdicts.get(block.id);
    if (verdict === undefined) {
      const { proposer, round } = block.header;
      verdict =
        proposer === this.#primaryOf(round) && this.chain.isValid(block, this.chain.tip, "commit");
      this.#verdicts.set(block.id, verdict);
    }
    return verdict;
  }

  #proposalStatement({ height, view, block }: PbftPrePrepare): string {
    const fields = { height, round: view, blockId: block.id, extra: -1 };
    return proposalStatement(this.parts.committee.chainId, fields);
  }

  #primaryOf(view: number): number {
    const last = this.chain.lastProof?.headers[0]?.proposer ?? 0;
    const base = this.#height % TERM_HEIGHTS === 0 ? last + 1 : last;
    return (base + view) % this.parts.committee.size;
  }

  #logOf(view: number): ViewLog {
    let log = this.#views.get(view);
    if (log === undefined) {
      const { committee } = this.parts;
      log = { prepares: new Tally(committee), commits: new Tally(committee) };
      this.#views.set(view, log);
    }
    return log;
  }
}

function isView(view: number): boolean {
  return Number.isSafeInteger(view) && view >= 0;
}
