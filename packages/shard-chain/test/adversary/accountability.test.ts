import { describe, expect, it } from "vitest";
import { findCulprits } from "../../src/adversary/accountability.ts";
import { StatementCollector } from "../../src/adversary/statements.ts";
import { proposalStatement, VoteCheck, voteStatement } from "../../src/consensus/index.ts";
import { ELIDED } from "../../src/crypto/signatures.ts";
import { type Block, Committee, NIL_ID, type Vote, type VoteKind } from "../../src/node/index.ts";

const signers = [1, 2, 3, 4].map((i) => ELIDED.createSigner(new Uint8Array(32).fill(i)));
const committee = new Committee(
  "c",
  signers.map(({ publicKey }, node) => ({ node, power: 1, publicKey })),
);

function vote(kind: VoteKind, validator: number, round: number, blockId: string): Vote {
  const fields = { kind, height: 1, round, blockId, justifyRound: -1, timestampMs: 5, validator };
  const signature = signers[validator]?.sign(voteStatement("c", fields)) ?? new Uint8Array(64);
  return { ...fields, signature };
}

function statementsOf(votes: readonly Vote[]): StatementCollector {
  const collector = new StatementCollector(new VoteCheck(committee, ELIDED));
  for (const one of votes) collector.addVote(one);
  return collector;
}

const accuse = (votes: readonly Vote[], name: "tendermint" | "pbft" | "hotstuff" = "tendermint") =>
  findCulprits(name, committee, statementsOf(votes)).culprits.map(({ validator, evidence }) => [
    validator,
    evidence.map(({ kind }) => kind),
  ]);

const quorum = (kind: VoteKind, round: number, blockId: string) =>
  [0, 1, 2].map((validator) => vote(kind, validator, round, blockId));

describe("findCulprits", () => {
  it("convicts who votes for two blocks, or for a block and none, in one round", () => {
    const votes = [vote("prevote", 0, 0, "a"), vote("prevote", 0, 0, "b")];
    expect(accuse([...votes, vote("prevote", 1, 0, "a"), vote("prevote", 1, 1, "b")])).toEqual([
      [0, ["double-vote"]],
    ]);
    expect(accuse([vote("prevote", 2, 0, "a"), vote("prevote", 2, 0, NIL_ID)])).toEqual([
      [2, ["double-vote"]],
    ]);
    expect(accuse([vote("vote", 3, 7, "a"), vote("vote", 3, 7, "b")], "hotstuff")).toEqual([
      [3, ["double-vote"]],
    ]);
  });

  it("convicts who proposes two blocks in one view, by its own signatures alone", () => {
    const proposal = (validator: number, round: number, blockId: string, signer = validator) => {
      const fields = { height: 1, round, blockId, extra: -1, validator };
      const signature = signers[signer]?.sign(proposalStatement("c", fields)) ?? new Uint8Array();
      return { ...fields, signature };
    };
    const collectorOf = (proposals: ReturnType<typeof proposal>[]) => {
      const collector = new StatementCollector(new VoteCheck(committee, ELIDED));
      for (const one of proposals) {
        const { blockId: id, height, round, validator: proposer, signature } = one;
        const block = { id, header: { height, round, proposer } } as unknown as Block;
        collector.addMessage({ type: "proposal", block, timeouts: [], signature });
      }
      return findCulprits("hotstuff", committee, collector).culprits.map(
        ({ validator, evidence }) => [validator, evidence.map(({ kind }) => kind)],
      );
    };
    expect(collectorOf([proposal(2, 4, "a"), proposal(2, 4, "b")])).toEqual([
      [2, ["double-proposal"]],
    ]);
    expect(collectorOf([proposal(2, 4, "a"), proposal(2, 5, "b"), proposal(1, 4, "b")])).toEqual(
      [],
    );
    expect(collectorOf([proposal(2, 4, "a"), proposal(2, 4, "b", 3)])).toEqual([]);
  });

  it("convicts nobody by votes that others have signed", () => {
    const forged = { ...vote("prevote", 0, 0, "b"), validator: 1 };
    const changed = { ...vote("prevote", 2, 0, "b"), blockId: "c" };
    expect(
      accuse([vote("prevote", 1, 0, "a"), forged, vote("prevote", 2, 0, "b"), changed]),
    ).toEqual([]);
  });

  it("convicts who forgets its lock, unless a quorum in between has freed it", () => {
    const locked = [...quorum("prevote", 0, "a"), vote("precommit", 0, 0, "a")];
    const later = vote("prevote", 0, 3, "b");
    expect(accuse([...locked, later])).toEqual([[0, ["amnesia"]]]);
    expect(accuse([...locked, vote("prevote", 0, 3, "a")])).toEqual([]);
    expect(accuse([...locked, vote("prevote", 0, 3, NIL_ID)])).toEqual([]);
    const freeing = [1, 2, 3].map((validator) => vote("prevote", validator, 2, "b"));
    expect(accuse([...locked, ...freeing, later])).toEqual([]);
    // A quorum of the same round or later frees nobody from what came before.
    const tooLate = [1, 2, 3].map((validator) => vote("prevote", validator, 3, "b"));
    expect(accuse([...locked, ...tooLate, later])).toEqual([[0, ["amnesia"]]]);
  });

  it("convicts who commits what no quorum has prepared", () => {
    const two = quorum("prevote", 0, "a").slice(0, 2);
    expect(accuse([...two, vote("precommit", 1, 0, "a")])).toEqual([[1, ["unfounded-commit"]]]);
    expect(accuse([...quorum("prevote", 0, "a"), vote("precommit", 1, 0, "a")])).toEqual([]);
    expect(accuse([vote("precommit", 1, 0, NIL_ID)])).toEqual([]);
    expect(accuse([vote("commit", 1, 0, "a")], "pbft")).toEqual([[1, ["unfounded-commit"]]]);
  });

  it("convicts who breaks a HotStuff lock by two votes and the blocks they are for", () => {
    const votes = [vote("vote", 0, 6, "d"), vote("vote", 0, 9, "x"), vote("vote", 1, 9, "x")];
    const blocks = new Map<string, Block>();
    const addBlock = (id: string, round: number, justified?: { id: string; round: number }) => {
      const certificate = { kind: "vote" as const, height: 1, votes: [] };
      const justify = justified && {
        ...certificate,
        blockId: justified.id,
        round: justified.round,
      };
      blocks.set(id, { id, header: { round }, justify } as unknown as Block);
    };
    addBlock("b", 4, { id: "a", round: 3 });
    addBlock("c", 5, { id: "b", round: 4 });
    addBlock("d", 6, { id: "c", round: 5 });
    addBlock("x", 9, { id: "a", round: 3 });
    const accused = () =>
      findCulprits("hotstuff", committee, { votes, proposals: [], viewChanges: [], blocks })
        .culprits;
    expect(accused()).toEqual([
      {
        validator: 0,
        power: 1,
        evidence: [{ kind: "broken-lock", first: votes[0], second: votes[1], lockedView: 4 }],
      },
    ]);
    // A block whose certificate is of the locked view or later may follow the lock.
    addBlock("x", 9, { id: "b", round: 4 });
    expect(accused()).toEqual([]);
  });

  it("says why when too little is at hand", () => {
    const report = findCulprits("tendermint", committee, statementsOf(quorum("prevote", 0, "a")));
    expect(report).toMatchObject({ power: 0, totalPower: 4, isAttributed: false });
    expect(report.reason).toMatch(/^not attributable: .* 0 of 4 power/);
  });
});
