// Outline: messages in; the rules, tried until none fires; heights and rounds; messages out;
// time-outs and what is said again without progress.

import { type Block, type CommitProof, NIL_ID, type Vote } from "../node/block.ts";
import type { Consensus, ConsensusTimer } from "../node/consensus.ts";
import { isSoundBlock, proposalStatement } from "./block-id.ts";
import { CommittedChain, type StatusMessage } from "./chain.ts";
import type { ConsensusParts } from "./parts.ts";
import { ProposerRotation } from "./proposer-rotation.ts";
import type { PolkaMessage, TendermintMessage, TendermintProposal } from "./tendermint-messages.ts";
import { TendermintRound } from "./tendermint-round.ts";

/** Rounds ahead of its own for which a validator keeps messages. */
const ROUNDS_AHEAD = 64;
/** Messages for the next height that a validator keeps, for each of the others. */
const EARLY_MESSAGES_PER_VALIDATOR = 32;

/** Steps of a round; `pause` is the wait between a commit and the first round of a height. */
export const STEPS = ["pause", "propose", "prevote", "precommit"] as const;

type Step = (typeof STEPS)[number];

/** What must outlive a crash. */
export interface TendermintState {
  readonly height: number;
  readonly round: number;
  readonly step: Step;
  readonly lockedRound: number;
  readonly lockedId: string;
  readonly valid: PolkaMessage | undefined;
  /** What was said at the height, by round; after a crash it can be said again, and no other. */
  readonly said: readonly (readonly [round: number, messages: readonly TendermintMessage[]])[];
}

/**
 * Tendermint, Algorithm 1 of arXiv:1807.04938 rule by rule; the numbers in comments are those of
 * the rules below. Safe while faulty power is below a third; live after the network has settled.
 *
 *  1 start of a round: the proposer proposes its valid block, or a new one
 *  2 a new proposal: prevote it unless locked on another
 *  3 a proposal with a quorum of older prevotes: prevote it unless locked later on another
 *  4 a quorum of prevotes for whatever: wait a while, then precommit nil
 *  5 a quorum of prevotes for a proposal: lock and precommit it; it becomes the valid block
 *  6 a quorum of prevotes for nil: precommit nil
 *  7 a quorum of precommits for whatever: wait a while, then start the next round
 *  8 a quorum of precommits for a proposal of any round: decide it
 *  9 messages of a later round from more than a third: go there
 * 10 the time-outs
 */
export class Tendermint implements Consensus<TendermintMessage> {
  protected readonly parts: ConsensusParts<TendermintMessage>;
  protected readonly chain: CommittedChain<TendermintMessage>;
  protected lockedRound = -1;
  protected lockedId = NIL_ID;
  readonly #rotation: ProposerRotation;
  #round = -1;
  #step: Step = "pause";
  #valid: PolkaMessage | undefined;
  #rounds = new Map<number, TendermintRound>();
  /** Verdict on each block of this height. */
  #verdicts = new Map<string, boolean>();
  /** Messages of the next height, which others have reached before. */
  #early: { from: number; message: TendermintMessage }[] = [];
  /** What this validator has said at this height, by round. */
  #said = new Map<number, readonly TendermintMessage[]>();
  /** Time-outs of this round. */
  #timeouts: ConsensusTimer[] = [];
  #standingSince = "";

  constructor(parts: ConsensusParts<TendermintMessage>) {
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

  get #height(): number {
    return this.chain.height + 1;
  }

  start(): void {
    this.#watchProgress();
    const kept = this.parts.store?.load() as TendermintState | undefined;
    if (kept?.height !== this.#height) {
      this.#startRound(0);
    } else {
      this.#resume(kept);
    }
    this.#settle();
  }

  onMessage(from: number, message: TendermintMessage): void {
    switch (message.type) {
      case "status":
        this.#answer(from, message);
        break;
      case "blocks":
        if (this.chain.take(from, message) > 0) this.#enterHeight();
        break;
      case "proposal":
        this.#onHeightMessage(from, message.height, message);
        break;
      case "vote":
        this.#onHeightMessage(from, message.vote.height, message);
        break;
      case "polka":
        this.#onHeightMessage(from, message.block.header.height, message);
        break;
    }
    this.#settle();
  }

  /**
   * Sends final blocks, or all it holds of the asker's round and later ones: what one correct
   * validator has received must reach the others, also where a faulty one sent it to some only.
   */
  #answer(from: number, { height, round }: StatusMessage): void {
    const { link } = this.parts;
    const blocks = height < this.chain.height && this.chain.answer(height);
    if (blocks) link.send(from, blocks);
    if (height !== this.chain.height) return;
    for (const [heldOf, { proposals, prevotes, precommits }] of this.#rounds) {
      if (heldOf < round) continue;
      for (const proposal of proposals) link.send(from, proposal);
      for (const vote of [...prevotes.votes, ...precommits.votes]) {
        if (vote.validator !== from) link.send(from, { type: "vote", vote });
      }
    }
  }

  #onHeightMessage(from: number, height: number, message: TendermintMessage): void {
    if (height === this.#height + 1) {
      const kept = this.#early.filter((early) => early.from === from).length;
      if (kept < EARLY_MESSAGES_PER_VALIDATOR) this.#early.push({ from, message });
    }
    if (height !== this.#height) return;
    if (message.type === "proposal") this.#onProposal(message);
    else if (message.type === "vote") this.#onVote(message.vote);
    else if (message.type === "polka") this.#onPolka(message);
  }

  #onProposal(proposal: TendermintProposal): void {
    const { height, round, block, validRound, prevotes, proposer, signature } = proposal;
    if (!this.#isNearRound(round) || proposer !== this.#proposerOf(round)) return;
    const statement = this.#proposalStatement(proposal);
    if (!this.chain.check.isSigned(proposal, proposer, statement, signature)) return;
    if (!isSoundBlock(block) || block.header.height !== height || validRound >= round) return;
    if (validRound >= 0) {
      const proves =
        prevotes?.blockId === block.id &&
        prevotes.round === validRound &&
        prevotes.height === height &&
        this.chain.check.isCertificate(prevotes, "prevote");
      if (!proves) return;
      for (const vote of prevotes.votes) this.#count(vote);
    }
    this.#roundOf(round).addProposal(proposal);
  }

  #onVote(vote: Vote): void {
    if (vote.kind !== "prevote" && vote.kind !== "precommit") return;
    if (!this.#isNearRound(vote.round) || !this.chain.check.isVote(vote)) return;
    this.#count(vote);
  }

  #onPolka({ block, prevotes }: PolkaMessage): void {
    if (!isSoundBlock(block) || prevotes.blockId !== block.id) return;
    if (prevotes.height !== this.#height) return;
    if (prevotes.round <= (this.#valid?.prevotes.round ?? -1)) return;
    if (!this.#isNearRound(prevotes.round) || !this.#isValid(block)) return;
    if (!this.chain.check.isCertificate(prevotes, "prevote")) return;
    for (const vote of prevotes.votes) this.#count(vote);
    this.#valid = { type: "polka", block, prevotes };
  }

  /** Puts a checked vote into the log. */
  #count(vote: Vote): void {
    const round = this.#roundOf(vote.round);
    const tally = vote.kind === "prevote" ? round.prevotes : round.precommits;
    const found = tally.add(vote);
    if (found === "known") return;
    this.parts.observer?.onVote?.(vote);
    if (found !== undefined) this.parts.observer?.onDoubleVote?.(found, vote);
  }

  /** Fires rules until none is true. Each firing changes the state, so all are tried anew. */
  #settle(): void {
    while (this.#decide() || (this.#step !== "pause" && this.#fireRoundRule()));
  }

  #fireRoundRule(): boolean {
    for (const round of this.#rounds.keys()) {
      if (round > this.#round && this.#hasMinorityIn(round)) {
        this.#startRound(round); // 9
        return true;
      }
    }
    const log = this.#roundOf(this.#round);
    this.#waitForPrecommits(log);
    if (this.#step === "propose") return this.#prevoteProposal(log);
    return this.#followPolka(log) || this.#fireVoteRule(log);
  }

  #fireVoteRule(log: TendermintRound): boolean {
    const { quorumPower } = this.parts.committee;
    if (this.#step === "prevote" && log.prevotes.powerFor(NIL_ID) >= quorumPower) {
      this.#vote("precommit", NIL_ID); // 6
      return true;
    }
    const { voteMs } = this.parts.timing;
    if (this.#step === "prevote" && !log.hasPrevoteTimer && log.prevotes.anyPower >= quorumPower) {
      log.hasPrevoteTimer = true; // 4
      this.#setTimeout(voteMs, "prevote", () => this.#vote("precommit", NIL_ID));
    }
    return false;
  }

  /** Rule 7; in every step. */
  #waitForPrecommits(log: TendermintRound): void {
    if (log.hasPrecommitTimer) return;
    if (log.precommits.anyPower < this.parts.committee.quorumPower) return;
    log.hasPrecommitTimer = true;
    const round = this.#round;
    this.#setTimeout(this.parts.timing.voteMs, undefined, () => this.#startRound(round + 1));
  }

  /** Rules 2 and 3: whether this validator may prevote a valid proposal. */
  protected mayPrevote(proposal: TendermintProposal): boolean {
    return this.lockedRound <= proposal.validRound || this.lockedId === proposal.block.id;
  }

  /** Rules 2 and 3. The prevotes that rule 3 asks for came with the proposal. */
  #prevoteProposal(log: TendermintRound): boolean {
    const proposal = log.proposals[0];
    if (proposal === undefined) return false;
    const accepts = this.#isValid(proposal.block) && this.mayPrevote(proposal);
    this.#vote("prevote", accepts ? proposal.block.id : NIL_ID);
    return true;
  }

  /** Rule 5. */
  #followPolka(log: TendermintRound): boolean {
    for (const { block } of log.proposals) {
      if (log.polkas.has(block.id) || !this.#isValid(block)) continue;
      if (log.prevotes.powerFor(block.id) < this.parts.committee.quorumPower) continue;
      log.polkas.add(block.id);
      const prevotes = log.prevotes.certificate("prevote", this.#height, this.#round, block.id);
      this.#valid = { type: "polka", block, prevotes };
      if (this.#step === "prevote") {
        this.lockedRound = this.#round;
        this.lockedId = block.id;
        this.#vote("precommit", block.id);
      }
      return true;
    }
    return false;
  }

  /** Rule 8. */
  #decide(): boolean {
    for (const [round, { precommits }] of this.#rounds) {
      const blockId = precommits.quorumBlock();
      if (blockId === undefined || blockId === NIL_ID) continue;
      const block = this.#knownBlocks().find(({ id }) => id === blockId);
      if (block === undefined || !this.#isValid(block)) continue;
      const certificate = precommits.certificate("precommit", this.#height, round, blockId);
      this.chain.commit(block, { headers: [block.header], certificate });
      this.#enterHeight();
      return true;
    }
    return false;
  }

  #knownBlocks(): Block[] {
    const blocks = [...this.#rounds.values()].flatMap(({ proposals }) =>
      proposals.map(({ block }) => block),
    );
    return this.#valid === undefined ? blocks : [...blocks, this.#valid.block];
  }

  #enterHeight(): void {
    this.#cancelTimeouts();
    this.#round = -1;
    this.#step = "pause";
    this.lockedRound = -1;
    this.lockedId = NIL_ID;
    this.#valid = undefined;
    this.#rounds = new Map();
    this.#verdicts = new Map();
    this.#said = new Map();
    const height = this.#height;
    this.parts.link.setTimer(this.parts.timing.pauseMs, () => {
      if (this.#height !== height || this.#step !== "pause") return;
      this.#startRound(0);
      this.#settle();
    });
    const early = this.#early;
    this.#early = [];
    for (const { from, message } of early) this.onMessage(from, message);
  }

  /** Rule 1. */
  #startRound(round: number): void {
    this.#cancelTimeouts();
    this.#round = round;
    this.#step = "propose";
    if (this.#proposerOf(round) === this.parts.link.self) this.#propose();
    else {
      this.#setTimeout(this.parts.timing.proposeMs, "propose", () => this.#vote("prevote", NIL_ID));
    }
    if (round > 0 && this.#valid !== undefined) this.parts.link.broadcast(this.#valid);
  }

  #resume({ round, step, lockedRound, lockedId, valid, said }: TendermintState): void {
    this.lockedRound = lockedRound;
    this.lockedId = lockedId;
    this.#valid = valid;
    this.#round = round;
    this.#step = step;
    this.#said = new Map(said);
    for (const [saidIn, messages] of said) {
      for (const message of messages) {
        if (message.type === "proposal") this.#roundOf(saidIn).addProposal(message);
        if (message.type === "vote") this.#count(message.vote);
      }
    }
    for (const message of this.#said.get(round) ?? []) this.parts.link.broadcast(message);
  }

  /** Rule 1: the block with the latest quorum of prevotes, which a proposer must propose again. */
  protected validForProposal(): PolkaMessage | undefined {
    return this.#valid && this.#valid.prevotes.round < this.#round ? this.#valid : undefined;
  }

  #propose(): void {
    const { committee, link, signer } = this.parts;
    const round = this.#round;
    const valid = this.validForProposal();
    const block =
      valid?.block ?? this.chain.makeBlock(this.chain.tip, this.chain.lastCertificate, round);
    const validRound = valid?.prevotes.round ?? -1;
    link.charge("sign");
    const fields = { height: this.#height, round, blockId: block.id, extra: validRound };
    const proposal: TendermintProposal = {
      type: "proposal",
      height: this.#height,
      round,
      block,
      validRound,
      prevotes: valid?.prevotes,
      proposer: link.self,
      signature: signer.sign(proposalStatement(committee.chainId, fields)),
    };
    this.#send(proposal);
    this.#roundOf(round).addProposal(proposal);
  }

  #vote(kind: "prevote" | "precommit", blockId: string): void {
    const round = this.#round;
    this.#step = kind;
    const block = this.#knownBlocks().find(({ id }) => id === blockId);
    const afterMs = block?.header.timestampMs ?? this.chain.tip.timestampMs;
    const fields = { kind, height: this.#height, round, blockId, justifyRound: -1 };
    const vote = this.chain.signVote(fields, afterMs);
    this.#send({ type: "vote", vote });
    this.#count(vote);
  }

  /** Written down before it is said. */
  #send(message: TendermintMessage): void {
    const { lockedRound, lockedId } = this;
    const [height, round, step, valid] = [this.#height, this.#round, this.#step, this.#valid];
    this.#said.set(round, [...(this.#said.get(round) ?? []), message]);
    const said = [...this.#said];
    this.parts.store?.save({ height, round, step, lockedRound, lockedId, valid, said });
    this.parts.link.broadcast(message);
  }

  /** Rule 10: the time-out of this height, round and (if given) step. */
  #setTimeout(initialMs: number, step: Step | undefined, fire: () => void): void {
    const [height, round] = [this.#height, this.#round];
    const delayMs = initialMs + round * this.parts.timing.growthMs;
    const timer = this.parts.link.setTimer(delayMs, () => {
      const isDue = this.#height === height && this.#round === round;
      if (!isDue || (step !== undefined && this.#step !== step)) return;
      fire();
      this.#settle();
    });
    this.#timeouts.push(timer);
  }

  #cancelTimeouts(): void {
    for (const timer of this.#timeouts) this.parts.link.cancelTimer(timer);
    this.#timeouts = [];
  }

  /** Without progress: says again what it said in this round, and asks for blocks it misses. */
  #watchProgress(): void {
    this.parts.link.setTimer(this.parts.timing.resendMs, () => {
      const standing = `${this.#height}/${this.#round}/${this.#step}`;
      if (standing === this.#standingSince) {
        for (const message of this.#said.get(this.#round) ?? []) {
          this.parts.link.broadcast(message);
        }
        if (this.#valid !== undefined) this.parts.link.broadcast(this.#valid);
        this.parts.link.broadcast({
          type: "status",
          height: this.chain.height,
          round: this.#round,
        });
      }
      this.#standingSince = standing;
      this.#watchProgress();
    });
  }

  #isValid(block: Block): boolean {
    let verdict = this.#verdicts.get(block.id);
    if (verdict === undefined) {
      verdict =
        block.header.proposer === this.#proposerOf(block.header.round) &&
        this.chain.isValid(block, this.chain.tip, "precommit");
      this.#verdicts.set(block.id, verdict);
    }
    return verdict;
  }

  #proposalStatement({ height, round, block, validRound }: TendermintProposal): string {
    const fields = { height, round, blockId: block.id, extra: validRound };
    return proposalStatement(this.parts.committee.chainId, fields);
  }

  #proposerOf(round: number): number {
    return this.#rotation.proposerOf(this.#height - 1 + round);
  }

  #hasMinorityIn(round: number): boolean {
    const { committee } = this.parts;
    return committee.powerOfAll(this.#roundOf(round).senders) >= committee.minorityPower;
  }

  #isNearRound(round: number): boolean {
    return Number.isSafeInteger(round) && round >= 0 && round <= this.#round + ROUNDS_AHEAD;
  }

  #roundOf(round: number): TendermintRound {
    let log = this.#rounds.get(round);
    if (log === undefined) {
      log = new TendermintRound(this.parts.committee);
      this.#rounds.set(round, log);
    }
    return log;
  }
}
