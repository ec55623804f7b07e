// Outline: messages in; voting; certificates, locks and commits; views and proposals; timeouts;
// messages out and what is said again without progress.

import type { Block, Certificate, CommitProof, Vote } from "../node/block.ts";
import type { Consensus, ConsensusTimer } from "../node/consensus.ts";
import { highestBackedView } from "./backed-view.ts";
import { isSoundBlock, proposalStatement } from "./block-id.ts";
import { BlockTree } from "./block-tree.ts";
import { type ChainTip, CommittedChain } from "./chain.ts";
import {
  type HotStuffMessage,
  type HotStuffProposal,
  type HotStuffTimeout,
  timeoutStatement,
} from "./hotstuff-messages.ts";
import type { ConsensusParts } from "./parts.ts";
import { ProposerRotation } from "./proposer-rotation.ts";
import { Tally } from "./tally.ts";

/** Views ahead of its own for which a validator counts votes. */
const VIEWS_AHEAD = 64;
/**
 * Consecutive views that a block needs to become final: its own and those of two successors. A
 * leader's term is as long.
 */
export const VIEWS_TO_COMMIT = 3;

/** What must outlive a crash. */
export interface HotStuffState {
  readonly view: number;
  readonly votedView: number;
  readonly proposedView: number;
  readonly lockedView: number;
  readonly lockedId: string;
  readonly lockedHeight: number;
  readonly highest: Certificate | undefined;
  /** Blocks above the last final one: certificates that others hold may need them. */
  readonly pending: readonly HotStuffProposal[];
}

/** A block to build on, its certificate, and what lies between it and the last final block. */
export interface ProposalBasis {
  readonly parent: ChainTip;
  /** Undefined at height 0. */
  readonly highest: Certificate | undefined;
  readonly pending: readonly Block[];
}

/**
 * Chained HotStuff (Yin et al. 2019), event-driven: one kind of vote, each block carries the
 * certificate of its parent.
 *
 * - A validator votes once a view, by rising views, for a block that extends the block it is locked
 *   on (safety) or whose certificate is of a later view than the lock (liveness).
 * - A certificate for b'' locks b', the parent of b''; if b, b', b'' are of consecutive views it
 *   makes b final, with its ancestors.
 * - Votes say the view and the view of the block's certificate, so that a validator that broke its
 *   lock is convicted by two of its votes.
 *
 * The paper leaves the pacemaker open. This one: who waits too long broadcasts a timeout with its
 * highest certificate; more than a third of timeouts pull the others along; a quorum of them opens
 * the next view, whose leader extends the highest certificate among them. Time-outs grow with each
 * view since the last final block. A leader has a term of as many views as a commit needs: were it
 * one view, faulty leaders of nearly a third of the power would come every third view, and three
 * correct leaders in a row once in as many turns as the rotation has.
 */
export class HotStuff implements Consensus<HotStuffMessage> {
  protected readonly parts: ConsensusParts<HotStuffMessage>;
  protected readonly chain: CommittedChain<HotStuffMessage>;
  protected lockedView = 0;
  readonly #rotation: ProposerRotation;
  readonly #tree = new BlockTree();
  #lockedId = "";
  #lockedHeight = 0;
  #view = 0;
  #votedView = 0;
  #proposedView = 0;
  #highest: Certificate | undefined;
  #tallies = new Map<number, Tally>();
  /** The latest timeout of each validator. */
  readonly #timeouts = new Map<number, HotStuffTimeout>();
  #sent: [to: number | undefined, message: HotStuffMessage][] = [];
  #viewTimer: ConsensusTimer | undefined;
  #isPausing = false;
  #standingSince = -1;

  constructor(parts: ConsensusParts<HotStuffMessage>) {
    this.parts = parts;
    this.chain = new CommittedChain(parts);
    this.#rotation = new ProposerRotation(parts.committee);
  }

  get committedHeight(): number {
    return this.chain.height;
  }

  get lastProof(): CommitProof | undefined {
    return this.chain.lastProof;
  }

  start(): void {
    this.#watchProgress();
    const kept = this.parts.store?.load() as HotStuffState | undefined;
    if (kept !== undefined) {
      this.lockedView = kept.lockedView;
      this.#lockedId = kept.lockedId;
      this.#lockedHeight = kept.lockedHeight;
      this.#votedView = kept.votedView;
      this.#proposedView = kept.proposedView;
      this.#highest = kept.highest;
      for (const proposal of kept.pending) this.#tree.add(proposal, true);
      this.#tree.prune(this.chain.tip);
    }
    this.#enterView(kept?.view ?? 1, 0);
  }

  onMessage(from: number, message: HotStuffMessage): void {
    switch (message.type) {
      case "proposal":
        this.#onProposal(from, message);
        break;
      case "vote":
        this.#onVote(message.vote);
        break;
      case "timeout":
        this.#onTimeout(from, message);
        break;
      case "request": {
        const proposal = this.#tree.proposalOf(message.blockId);
        if (proposal !== undefined) this.parts.link.send(from, proposal);
        break;
      }
      case "status": {
        const answer = message.height < this.chain.height && this.chain.answer(message.height);
        if (answer) this.parts.link.send(from, answer);
        break;
      }
      case "blocks":
        if (this.chain.take(from, message) > 0) this.#afterCatchUp();
        break;
    }
  }

  #onProposal(from: number, proposal: HotStuffProposal): void {
    const { block, signature } = proposal;
    const { height, round: view, proposer, parentId } = block.header;
    if (height <= this.chain.height || !isView(view) || proposer !== this.#leaderOf(view)) return;
    const statement = this.#proposalStatement(block);
    if (!isSoundBlock(block)) return;
    if (!this.chain.check.isSigned(proposal, proposer, statement, signature)) return;
    if (this.#tree.get(block.id) !== undefined) {
      // Its timeouts may be better than those it came with before; nobody has signed them with it.
      this.#tryToVote(proposal);
      return;
    }
    const parent = this.#tipOf(parentId);
    if (parent === undefined) {
      this.#tree.addOrphan(proposal);
      this.parts.link.send(from, { type: "request", blockId: parentId });
      if (height > this.chain.height + 1) {
        this.parts.link.send(from, {
          type: "status",
          height: this.chain.height,
          round: this.#view,
        });
      }
      return;
    }
    if (!this.chain.isJustified(block, parent, "vote")) return;
    // First what the certificate makes final: the leader has built on the state after it.
    if (block.justify !== undefined) this.#learn(block.justify);
    const pending = this.#tree.pathTo(parentId, this.chain.tip);
    if (pending === undefined || !this.#isValid(block, parent, pending)) return;
    if (!this.#tree.add(proposal, this.#isCertified(block))) return;
    this.#tryToVote(proposal);
    for (const child of this.#tree.takeOrphansOf(block.id)) this.#onProposal(from, child);
    if (this.#highest?.blockId === block.id) {
      this.#learn(this.#highest);
      this.#tryToPropose();
    }
  }

  #isValid(block: Block, parent: ChainTip, pending: readonly Block[]): boolean {
    const justifiedView = block.justify?.round ?? 0;
    const parentView = pending.at(-1)?.header.round;
    if (parentView !== undefined && justifiedView !== parentView) return false;
    if (justifiedView >= block.header.round) return false;
    return this.chain.isContentValid(block, parent, pending);
  }

  /** Whether a certificate for the block is known, so that the chain may go on through it. */
  #isCertified({ id }: Block): boolean {
    const { check } = this.chain;
    const certificates = this.#tree.orphansOf(id).map(({ block }) => block.justify);
    return [this.#highest, ...certificates].some(
      (certificate) => certificate?.blockId === id && check.isCertificate(certificate, "vote"),
    );
  }

  #tryToVote(proposal: HotStuffProposal): void {
    const { block } = proposal;
    const { height, round: view, timestampMs } = block.header;
    const justifyRound = block.justify?.round ?? 0;
    if (view > this.#view) {
      if (justifyRound !== view - 1 && !this.#isGivenUp(view - 1, proposal.timeouts)) return;
      this.#enterView(view, 0);
    }
    if (view !== this.#view || view <= this.#votedView || !this.mayVote(block)) return;
    this.#votedView = view;
    const fields = { kind: "vote" as const, height, round: view, blockId: block.id, justifyRound };
    const vote = this.chain.signVote(fields, timestampMs);
    // The next leader builds on the votes. The view's own gets them too: else a next leader that
    // fails takes the votes of a term's last view with it, and a term would commit nothing.
    const collectors = new Set([this.#leaderOf(view), this.#leaderOf(view + 1)]);
    for (const leader of collectors) this.#send(leader, { type: "vote", vote });
  }

  /** The rule of safety or that of liveness. */
  protected mayVote(block: Block): boolean {
    return (block.justify?.round ?? 0) > this.lockedView || this.extendsLocked(block);
  }

  protected extendsLocked(block: Block): boolean {
    if (this.#lockedHeight <= this.chain.height) return true;
    const path = this.#tree.pathTo(block.id, this.chain.tip) ?? [];
    return path.some(({ id }) => id === this.#lockedId);
  }

  #onVote(vote: Vote): void {
    const { round: view } = vote;
    const { self } = this.parts.link;
    const isMine = isView(view) && [view, view + 1].some((one) => this.#leaderOf(one) === self);
    if (!isMine || vote.kind !== "vote" || view < this.#view - 1) return;
    if (view > this.#view + VIEWS_AHEAD || !this.chain.check.isVote(vote)) return;
    let tally = this.#tallies.get(view);
    if (tally === undefined) {
      tally = new Tally(this.parts.committee);
      this.#tallies.set(view, tally);
    }
    const found = tally.add(vote);
    if (found === "known") return;
    this.parts.observer?.onVote?.(vote);
    if (found !== undefined) this.parts.observer?.onDoubleVote?.(found, vote);
    if (tally.powerFor(vote.blockId) < this.parts.committee.quorumPower) return;
    this.#learn(tally.certificate("vote", vote.height, view, vote.blockId));
    if (view >= this.#view) this.#enterView(view + 1, this.parts.timing.pauseMs);
    else this.#tryToPropose();
  }

  /** Takes a checked certificate: the highest is built upon, its block may lock and commit. */
  #learn(certificate: Certificate): void {
    if (certificate.round > (this.#highest?.round ?? 0)) this.#highest = certificate;
    const third = this.#tree.get(certificate.blockId);
    if (third?.justify === undefined) return;
    if (third.justify.round > this.lockedView) {
      this.lockedView = third.justify.round;
      this.#lockedId = third.justify.blockId;
      this.#lockedHeight = third.justify.height;
    }
    const second = this.#tree.get(third.header.parentId);
    const first = second && this.#tree.get(second.header.parentId);
    if (first === undefined || second === undefined) return;
    const isDirect =
      third.header.round === second.header.round + 1 &&
      second.header.round === first.header.round + 1;
    if (isDirect) this.#commitUpTo(first, [second.header, third.header], certificate);
  }

  #commitUpTo(last: Block, successors: readonly Block["header"][], certificate: Certificate): void {
    const path = this.#tree.pathTo(last.id, this.chain.tip) ?? [];
    path.forEach((block, i) => {
      const headers = [...path.slice(i).map(({ header }) => header), ...successors];
      this.chain.commit(block, { headers, certificate });
    });
    this.#tree.prune(this.chain.tip);
  }

  #enterView(view: number, pauseMs: number): void {
    const { link, timing } = this.parts;
    this.#view = view;
    this.#sent = [];
    for (const old of this.#tallies.keys()) if (old < view - 1) this.#tallies.delete(old);
    if (this.#viewTimer !== undefined) link.cancelTimer(this.#viewTimer);
    // Counted from the last final block, not from the last certificate: where the network is slower
    // than the time-outs, single views succeed, and would set them back before three do in a row.
    const committedView = this.chain.lastProof?.headers[0]?.round ?? 0;
    const failed = Math.max(0, view - VIEWS_TO_COMMIT - committedView);
    const waitMs = timing.pauseMs + timing.proposeMs + failed * timing.growthMs;
    this.#viewTimer = link.setTimer(waitMs, () => this.#giveUp(this.#view));
    this.#isPausing = pauseMs > 0;
    if (pauseMs === 0) this.#tryToPropose();
    else link.setTimer(pauseMs, () => this.#endPause(view));
  }

  #endPause(view: number): void {
    if (this.#view !== view) return;
    this.#isPausing = false;
    this.#tryToPropose();
  }

  /** Proposes once in a view that this validator leads, on the block of the highest certificate. */
  #tryToPropose(): void {
    const { link } = this.parts;
    const view = this.#view;
    if (this.#leaderOf(view) !== link.self || this.#proposedView >= view || this.#isPausing) return;
    const highest = this.#highest;
    const timeouts = highest?.round === view - 1 ? [] : this.#timeoutsFor(view - 1);
    if (view > 1 && highest?.round !== view - 1 && timeouts.length === 0) return;
    const basis = this.basis();
    if (basis === undefined) {
      if (highest) link.broadcast({ type: "request", blockId: highest.blockId });
      return;
    }
    this.#proposedView = view;
    const block = this.chain.makeBlock(basis.parent, basis.highest, view, basis.pending);
    link.charge("sign");
    const signature = this.parts.signer.sign(this.#proposalStatement(block));
    const proposal: HotStuffProposal = { type: "proposal", block, timeouts, signature };
    this.#send(undefined, proposal);
    this.#onProposal(link.self, proposal);
  }

  /** What a leader builds on: the highest certificate; undefined when its block is missing. */
  protected basis(): ProposalBasis | undefined {
    const highest = this.#highest;
    const parent = this.#tipOf(highest?.blockId ?? this.chain.tip.id);
    const pending = parent && this.#tree.pathTo(parent.id, this.chain.tip);
    return parent && pending && { parent, highest, pending };
  }

  /** The local timer of a view, or others who gave it up. */
  #giveUp(view: number): void {
    const { link, signer, committee } = this.parts;
    this.#view = Math.max(this.#view, view);
    this.#votedView = Math.max(this.#votedView, view);
    const fields = { view, highest: this.highestForTimeout(), validator: link.self };
    link.charge("sign");
    const signature = signer.sign(timeoutStatement(committee.chainId, fields));
    const timeout: HotStuffTimeout = { type: "timeout", ...fields, signature };
    this.#sent = [];
    this.#send(undefined, timeout);
    this.#onTimeout(link.self, timeout);
  }

  /** What a validator tells when it gives a view up. */
  protected highestForTimeout(): Certificate | undefined {
    return this.#highest;
  }

  protected get view(): number {
    return this.#view;
  }

  #onTimeout(from: number, timeout: HotStuffTimeout): void {
    const { view, highest, validator } = timeout;
    const { committee } = this.parts;
    const isNewer = isView(view) && view > (this.#timeouts.get(validator)?.view ?? 0);
    if (!isNewer || !this.#isTimeout(timeout)) return;
    this.#timeouts.set(validator, timeout);
    if (highest !== undefined && highest.round > (this.#highest?.round ?? 0)) {
      this.#learn(highest);
      if (this.#tipOf(highest.blockId) === undefined) {
        this.parts.link.send(from, { type: "request", blockId: highest.blockId });
        this.parts.link.send(from, {
          type: "status",
          height: this.chain.height,
          round: this.#view,
        });
      }
    }
    // Who goes on by timeouts first says one itself: else a faulty validator that sends its own to
    // some only takes them along and leaves behind the others, too few for a quorum.
    const pulled = highestBackedView(committee, this.#timeouts, committee.minorityPower);
    const own = this.#timeouts.get(this.parts.link.self)?.view ?? 0;
    if (pulled >= this.#view && pulled > own) this.#giveUp(pulled);
    const opened = highestBackedView(committee, this.#timeouts, committee.quorumPower) + 1;
    if (opened > this.#view) this.#enterView(opened, 0);
  }

  #isTimeout(timeout: HotStuffTimeout): boolean {
    const { view, highest, validator, signature } = timeout;
    const statement = timeoutStatement(this.parts.committee.chainId, timeout);
    if (!this.chain.check.isSigned(timeout, validator, statement, signature)) return false;
    if (highest === undefined) return true;
    return highest.round <= view && this.chain.check.isCertificate(highest, "vote");
  }

  #timeoutsFor(view: number): HotStuffTimeout[] {
    const timeouts = [...this.#timeouts.values()].filter((timeout) => timeout.view >= view);
    return this.#isGivenUp(view, timeouts) ? timeouts : [];
  }

  #isGivenUp(view: number, timeouts: readonly HotStuffTimeout[]): boolean {
    const { committee } = this.parts;
    if (timeouts.length > committee.size) return false;
    const power = committee.powerOfAll(timeouts.map(({ validator }) => validator));
    if (power < committee.quorumPower) return false;
    return timeouts.every((timeout) => timeout.view >= view && this.#isTimeout(timeout));
  }

  #afterCatchUp(): void {
    this.#tree.prune(this.chain.tip);
    const certificate = this.chain.lastCertificate;
    if (certificate !== undefined) this.#learn(certificate);
    for (const child of this.#tree.takeOrphansOf(this.chain.tip.id)) {
      this.#onProposal(child.block.header.proposer, child);
    }
    const reached = (certificate?.round ?? 0) + 1;
    if (reached > this.#view) this.#enterView(reached, 0);
  }

  /** Written down before it is said. @param to undefined for everybody */
  #send(to: number | undefined, message: HotStuffMessage): void {
    this.#sent.push([to, message]);
    this.parts.store?.save({
      view: this.#view,
      votedView: this.#votedView,
      proposedView: this.#proposedView,
      lockedView: this.lockedView,
      lockedId: this.#lockedId,
      lockedHeight: this.#lockedHeight,
      highest: this.#highest,
      pending: this.#tree.proposals,
    } satisfies HotStuffState);
    this.#transmit(to, message);
  }

  #transmit(to: number | undefined, message: HotStuffMessage): void {
    if (to === undefined) this.parts.link.broadcast(message);
    else if (to !== this.parts.link.self) this.parts.link.send(to, message);
    else if (message.type === "vote") this.#onVote(message.vote);
  }

  /** Without progress: says again what it said in this view, and asks for blocks it misses. */
  #watchProgress(): void {
    this.parts.link.setTimer(this.parts.timing.resendMs, () => {
      if (this.#view === this.#standingSince) {
        for (const [to, message] of [...this.#sent]) this.#transmit(to, message);
        this.parts.link.broadcast({ type: "status", height: this.chain.height, round: this.#view });
        this.#tryToPropose();
      }
      this.#standingSince = this.#view;
      this.#watchProgress();
    });
  }

  #tipOf(blockId: string): ChainTip | undefined {
    if (blockId === this.chain.tip.id) return this.chain.tip;
    const header = this.#tree.get(blockId)?.header;
    return header && { id: blockId, height: header.height, timestampMs: header.timestampMs };
  }

  #proposalStatement({ id, header }: Block): string {
    const fields = { height: header.height, round: header.round, blockId: id, extra: -1 };
    return proposalStatement(this.parts.committee.chainId, fields);
  }

  #leaderOf(view: number): number {
    return this.#rotation.proposerOf(Math.floor((view - 1) / VIEWS_TO_COMMIT));
  }
}

function isView(view: number): boolean {
  return Number.isSafeInteger(view) && view > 0;
}
