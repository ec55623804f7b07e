import { describe, expect, it } from "vitest";
import { CommandApplication } from "../../src/adversary/command-application.ts";
import {
  CommittedChain,
  type ConsensusParts,
  proposalStatement,
  Tendermint,
  type TendermintMessage,
  type TendermintState,
  voteStatement,
} from "../../src/consensus/index.ts";
import { ELIDED } from "../../src/crypto/signatures.ts";
import {
  type Block,
  type Certificate,
  Committee,
  NIL_ID,
  type Vote,
} from "../../src/node/index.ts";
import { TIMING } from "./small-world.ts";

const signers = [0, 1, 2, 3].map((i) => ELIDED.createSigner(new Uint8Array(32).fill(i + 1)));
const committee = new Committee(
  "c",
  signers.map(({ publicKey }, node) => ({ node, power: 1, publicKey })),
);

/** One validator alone; the test plays the other three by hand, message by message. */
class Bench {
  readonly sent: TendermintMessage[] = [];
  readonly timers: { fire: () => void; delayMs: number; isOn: boolean }[] = [];
  readonly validator: Tendermint;
  kept: TendermintState | undefined;

  constructor(
    readonly self: number,
    kept?: TendermintState,
  ) {
    this.kept = kept;
    this.validator = new Tendermint(this.parts(self));
    this.validator.start();
  }

  parts(self: number): ConsensusParts<TendermintMessage> {
    const signer = signers[self];
    if (signer === undefined) throw new Error("no such validator");
    return {
      committee,
      link: {
        self,
        nowMs: () => 100,
        send: () => undefined,
        broadcast: (message) => this.sent.push(message),
        setTimer: (delayMs, fire) => {
          const timer = { atMs: 100 + delayMs, delayMs, fire, isOn: true };
          this.timers.push(timer);
          return timer;
        },
        cancelTimer: (timer) => {
          (timer as unknown as { isOn: boolean }).isOn = false;
        },
        charge: () => undefined,
      },
      application: new CommandApplication([1, 2, 3, 4]),
      signer,
      scheme: ELIDED,
      timing: TIMING,
      store: {
        load: () => this.kept,
        save: (state) => {
          this.kept = state as TendermintState;
        },
      },
    };
  }

  /** Votes said since the last call, as kind, round and block. */
  votes(): [string, number, string][] {
    const said = this.sent.splice(0).flatMap((message) => {
      return message.type === "vote" ? [message.vote] : [];
    });
    return said.map(({ kind, round, blockId }) => [kind, round, blockId]);
  }

  get(message: TendermintMessage): this {
    this.validator.onMessage(0, message);
    return this;
  }

  getVotes(kind: "prevote" | "precommit", round: number, blockId: string, from: number[]): this {
    for (const one of from) this.get({ type: "vote", vote: vote(kind, round, blockId, one) });
    return this;
  }

  fire(delayMs: number): this {
    const timer = this.timers.find((one) => one.isOn && one.delayMs === delayMs);
    if (timer === undefined) throw new Error(`no timer of ${delayMs} ms`);
    timer.isOn = false;
    timer.fire();
    return this;
  }
}

function vote(kind: "prevote" | "precommit", round: number, blockId: string, who: number): Vote {
  const fields = { kind, height: 1, round, blockId, justifyRound: -1, timestampMs: 50 };
  const statement = voteStatement("c", { ...fields, validator: who });
  const signature = signers[who]?.sign(statement) ?? new Uint8Array(64);
  return { ...fields, validator: who, signature };
}

/** A block that validator `round` (the proposer of that round at height 1) makes. */
function blockOf(round: number): Block {
  const parts = new Bench(3).parts(round);
  const chain = new CommittedChain({ ...parts, application: new CommandApplication([round + 1]) });
  return chain.makeBlock(chain.tip, undefined, round);
}

function propose(round: number, block: Block, prevotes?: Certificate): TendermintMessage {
  const validRound = prevotes?.round ?? -1;
  const statement = proposalStatement("c", {
    height: 1,
    round,
    blockId: block.id,
    extra: validRound,
  });
  const signature = signers[round]?.sign(statement) ?? new Uint8Array(64);
  return {
    type: "proposal",
    height: 1,
    round,
    block,
    validRound,
    prevotes,
    proposer: round,
    signature,
  };
}

const A = blockOf(0);
const B = blockOf(1);
const polka = (round: number, block: Block): Certificate => ({
  kind: "prevote",
  height: 1,
  round,
  blockId: block.id,
  votes: [0, 1, 2].map((who) => vote("prevote", round, block.id, who)),
});

/** Locked on A in round 0, then brought to a round by messages of others (rule 9). */
function lockedOnA(round: number): Bench {
  const bench = new Bench(3).get(propose(0, A)).getVotes("prevote", 0, A.id, [0, 1]);
  expect(bench.votes()).toEqual([
    ["prevote", 0, A.id],
    ["precommit", 0, A.id],
  ]);
  bench.getVotes("precommit", round, NIL_ID, [0, 1]);
  return bench;
}

describe("Tendermint's rules", () => {
  it("1: a proposer proposes, and proposes again what it knows as valid", () => {
    const first = new Bench(0);
    expect(first.sent[0]).toMatchObject({ type: "proposal", round: 0, validRound: -1 });
    const later = new Bench(1).get(propose(0, A)).getVotes("prevote", 0, A.id, [0, 2]);
    later.sent.length = 0;
    later.getVotes("precommit", 1, NIL_ID, [0, 2]);
    expect(later.sent[0]).toMatchObject({ type: "proposal", round: 1, validRound: 0, block: A });
  });

  it("2: prevotes a new proposal, and nil for one that is not valid", () => {
    expect(new Bench(3).get(propose(0, A)).votes()).toEqual([["prevote", 0, A.id]]);
    const stranger = { ...A, header: { ...A.header, proposer: 2 } };
    expect(new Bench(3).get(propose(0, stranger)).votes()).toEqual([]);
    const refused = blockOf(0);
    const invalid = new CommittedChain({
      ...new Bench(3).parts(0),
      application: new CommandApplication([77]),
    }).makeBlock({ id: refused.header.parentId, height: 0, timestampMs: 0 }, undefined, 0);
    expect(new Bench(3).get(propose(0, invalid)).votes()).toEqual([["prevote", 0, NIL_ID]]);
  });

  it("2: once locked prevotes nil for another new block, and its own block again", () => {
    expect(lockedOnA(1).get(propose(1, B)).votes()).toEqual([["prevote", 1, NIL_ID]]);
    expect(lockedOnA(1).get(propose(1, A)).votes()).toEqual([["prevote", 1, A.id]]);
  });

  it("3: is freed by a quorum of prevotes of its lock's round or later, by no earlier one", () => {
    const freed = lockedOnA(2).get(propose(2, B, polka(1, B)));
    expect(freed.votes()).toEqual([["prevote", 2, B.id]]);
    const again = new Bench(3).getVotes("precommit", 1, NIL_ID, [0, 1]).get(propose(1, B));
    again.getVotes("prevote", 1, B.id, [0, 2]).votes();
    again.getVotes("precommit", 2, NIL_ID, [0, 1]);
    expect(again.get(propose(2, A, polka(0, A))).votes()).toEqual([["prevote", 2, NIL_ID]]);
  });

  it("3: takes no proposal whose prevotes prove nothing", () => {
    const few = { ...polka(1, B), votes: polka(1, B).votes.slice(1) };
    const other = { ...polka(1, A), blockId: B.id };
    for (const prevotes of [few, other, { ...polka(1, B), round: 0 }]) {
      expect(
        lockedOnA(2)
          .get(propose(2, B, prevotes))
          .votes(),
      ).toEqual([]);
    }
  });

  it("4 and 10: waits for more prevotes once, then precommits nil", () => {
    const bench = new Bench(3).get(propose(0, A)).getVotes("prevote", 0, NIL_ID, [0]);
    expect(bench.timers.some(({ delayMs }) => delayMs === TIMING.voteMs)).toBe(false);
    bench.getVotes("prevote", 0, B.id, [1]).votes();
    expect(bench.fire(TIMING.voteMs).votes()).toEqual([["precommit", 0, NIL_ID]]);
  });

  it("5: locks in the step of prevotes only, yet always learns what is valid", () => {
    const bench = new Bench(3).get(propose(0, A)).getVotes("prevote", 0, NIL_ID, [0, 1]);
    bench.getVotes("prevote", 0, NIL_ID, [2]);
    expect(bench.votes()).toEqual([
      ["prevote", 0, A.id],
      ["precommit", 0, NIL_ID],
    ]);
    bench.getVotes("prevote", 0, A.id, [0, 1]);
    expect(bench.votes()).toEqual([]);
    expect(bench.getVotes("precommit", 1, NIL_ID, [0, 1]).sent[0]).toMatchObject({
      type: "polka",
      block: A,
    });
    bench.sent.length = 0;
    // It was not locked: another block is welcome.
    expect(bench.get(propose(1, B)).votes()).toEqual([["prevote", 1, B.id]]);
  });

  it("6: precommits nil on a quorum of nil, without waiting", () => {
    const bench = new Bench(3).fire(TIMING.proposeMs);
    expect(bench.votes()).toEqual([["prevote", 0, NIL_ID]]);
    expect(bench.getVotes("prevote", 0, NIL_ID, [0, 1]).votes()).toEqual([
      ["precommit", 0, NIL_ID],
    ]);
  });

  it("7: starts the next round some time after a quorum of precommits for whatever", () => {
    const bench = new Bench(3)
      .getVotes("precommit", 0, NIL_ID, [0, 1])
      .getVotes("precommit", 0, A.id, [2]);
    bench.fire(TIMING.voteMs).votes();
    expect(bench.get(propose(1, B)).votes()).toEqual([["prevote", 1, B.id]]);
  });

  it("8: decides on a quorum of precommits of any round, in whatever step", () => {
    const bench = new Bench(3).getVotes("precommit", 2, NIL_ID, [0, 1]);
    bench.getVotes("precommit", 0, A.id, [0, 1]);
    expect(bench.get(propose(0, A)).validator.committedHeight).toBe(0);
    bench.getVotes("precommit", 0, A.id, [2]);
    expect(bench.validator.committedHeight).toBe(1);
    expect(bench.validator.lastProof?.certificate).toMatchObject({ round: 0, blockId: A.id });
  });

  it("9: goes to a later round on messages of more than a third, and of no less", () => {
    const bench = new Bench(3).getVotes("precommit", 1, NIL_ID, [0]);
    bench.getVotes("prevote", 1, NIL_ID, [0]).get(propose(1, B));
    // Validator 1 is the proposer of round 1: with validator 0 that makes two.
    expect(bench.votes()).toEqual([["prevote", 1, B.id]]);
    const alone = new Bench(3).getVotes("precommit", 1, NIL_ID, [0]);
    expect(alone.getVotes("prevote", 1, NIL_ID, [0]).votes()).toEqual([]);
  });

  it("says after a crash what it has said before, and nothing else", () => {
    const before = lockedOnA(1);
    before.get(propose(1, B));
    expect(before.votes()).toEqual([["prevote", 1, NIL_ID]]);
    const after = new Bench(3, before.kept);
    expect(after.votes()).toEqual([["prevote", 1, NIL_ID]]);
    expect(after.get(propose(1, A)).votes()).toEqual([]);
    after.getVotes("precommit", 2, NIL_ID, [0, 1]);
    // Still locked on A.
    const C = blockOf(2);
    expect(after.get(propose(2, C)).votes()).toEqual([["prevote", 2, NIL_ID]]);
  });
});
