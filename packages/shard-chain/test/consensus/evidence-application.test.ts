import { describe, expect, it } from "vitest";
import { COMMAND_CODEC, CommandApplication } from "../../src/adversary/command-application.ts";
import {
  type DoubleVoteEvidence,
  doubleVoteEvidence,
  EvidenceApplication,
  EvidencePool,
  evidencePayloads,
  makeBlock,
  VoteCheck,
  voteStatement,
} from "../../src/consensus/index.ts";
import { ED25519, type Signer } from "../../src/crypto/signatures.ts";
import { GENESIS_ID, type PayloadPlace, type Vote } from "../../src/node/index.ts";
import { SmallWorld } from "./small-world.ts";

/** A vote of a validator that it does not cast itself. */
function vote(world: SmallWorld, validator: number, height: number, blockId: string): Vote {
  const fields = { kind: "precommit" as const, height, round: 0, blockId, justifyRound: -1 };
  const whole = { ...fields, timestampMs: 5, validator };
  const signer = world.signers[validator] as Signer;
  const signature = Uint8Array.from(signer.sign(voteStatement("shard-0", whole)));
  return { ...whole, signature };
}

describe("blocks with evidence", () => {
  it("carry a double vote that one validator has seen, once, and every validator punishes", () => {
    const world = new SmallWorld({ name: "tendermint", hasEvidence: true }).run(100);
    const height = (world.validators[1]?.committedHeight ?? 0) + 1;
    for (const blockId of ["aa", "bb"]) {
      const message = { type: "vote", vote: vote(world, 3, height, blockId) } as const;
      // Only validator 1 hears of it.
      world.validators[1]?.onMessage(3, message);
    }
    world.run(900);
    const [first, ...others] = world.punished;
    expect(first).toEqual([[3, height, expect.any(Number)]]);
    expect(first?.[0]?.[2]).toBeGreaterThan(height);
    for (const punished of others) expect(punished).toEqual(first);
    expect(world.chain(0).length).toBeGreaterThan(height + 6);
    expect([...(world.applications[2]?.done ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("are refused with evidence that proves nothing, is known, or lies about its age", () => {
    const world = new SmallWorld({ name: "tendermint", scheme: ED25519 });
    const punished: DoubleVoteEvidence[] = [];
    const create = () =>
      new EvidenceApplication({
        application: new CommandApplication([1]),
        pool: new EvidencePool(new VoteCheck(world.committee, ED25519)),
        bytesMax: 2_000,
        onEvidence: (evidence) => punished.push(evidence),
      });
    const application = create();
    const place = (height: number): PayloadPlace => {
      return { height, round: 0, timestampMs: 10 * height, proposer: 0, pending: [] };
    };
    const [one, two] = [vote(world, 2, 1, "aa"), vote(world, 2, 1, "bb")];
    application.observer.onDoubleVote?.(one, two);
    const payload = application.propose(place(2));
    const judge = create();
    expect(judge.validate(payload, place(2))).toBe(true);
    // Not before the height that the votes were for is final.
    expect(judge.validate(payload, place(1))).toBe(false);
    const with2 = (evidence: readonly DoubleVoteEvidence[]) => {
      const { inner } = payload.content as { inner: unknown };
      return { ...payload, content: { evidence, inner } };
    };
    const good = doubleVoteEvidence(one, two, 0);
    const wrong = [
      [good, good],
      [{ ...good, timestampMs: 9 }],
      [doubleVoteEvidence(one, { ...two, blockId: "cc" }, 0)],
      [doubleVoteEvidence(one, vote(world, 1, 1, "bb"), 0)],
      Array.from({ length: 9 }, () => good),
    ];
    expect(judge.validate(with2([good]), place(2))).toBe(true);
    for (const evidence of wrong) expect(judge.validate(with2(evidence), place(2))).toBe(false);
  });

  it("wait with a double vote until its height's parent is final, as HotStuff votes before", () => {
    const world = new SmallWorld({ name: "hotstuff", scheme: ED25519 });
    const application = new EvidenceApplication({
      application: new CommandApplication([1, 2]),
      pool: new EvidencePool(new VoteCheck(world.committee, ED25519)),
      onEvidence: () => undefined,
    });
    const propose = (height: number) =>
      application.propose({ height, round: 0, timestampMs: 20, proposer: 0, pending: [] });
    const evidenceAt = (height: number) =>
      (propose(height).content as { evidence: DoubleVoteEvidence[] }).evidence;
    const deliver = (height: number) => {
      const place = { chainId: "shard-0", height, round: height, proposer: 0 };
      const header = { ...place, parentId: GENESIS_ID, timestampMs: 10 * height };
      const block = makeBlock(header, propose(height), undefined);
      const certificate = { kind: "vote" as const, height, round: 0, blockId: "", votes: [] };
      application.deliver({ block, proof: { headers: [block.header], certificate } });
    };
    application.observer.onDoubleVote?.(vote(world, 2, 3, "aa"), vote(world, 2, 3, "bb"));
    deliver(1);
    expect(evidenceAt(5)).toEqual([]);
    deliver(2);
    expect(evidenceAt(5)).toMatchObject([{ first: { validator: 2, height: 3 }, timestampMs: 20 }]);
  });

  it("come over sockets as they were written", () => {
    const world = new SmallWorld({ name: "tendermint", scheme: ED25519 });
    const codec = evidencePayloads(COMMAND_CODEC);
    const application = new EvidenceApplication({
      application: new CommandApplication([1, 2]),
      pool: new EvidencePool(new VoteCheck(world.committee, ED25519)),
      bytesMax: 2_000,
      onEvidence: () => undefined,
    });
    application.observer.onDoubleVote?.(vote(world, 2, 1, "aa"), vote(world, 2, 1, "bb"));
    const place = { height: 2, round: 0, timestampMs: 20, proposer: 0, pending: [] };
    const payload = application.propose(place);
    const bytes = codec.encode(payload);
    expect(codec.decode(bytes)).toEqual(payload);
    expect(codec.decode(bytes.subarray(1))).toBeUndefined();
  });
});
