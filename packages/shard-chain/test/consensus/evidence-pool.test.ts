import { describe, expect, it } from "vitest";
import {
  doubleVoteEvidence,
  EVIDENCE_BYTES,
  EvidencePool,
  VoteCheck,
  voteStatement,
} from "../../src/consensus/index.ts";
import { ED25519 } from "../../src/crypto/index.ts";
import { Committee, type Vote } from "../../src/node/index.ts";

const signers = [1, 2, 3].map((i) => ED25519.createSigner(new Uint8Array(32).fill(i)));
const committee = new Committee(
  "c",
  signers.map(({ publicKey }, node) => ({ node, power: 1, publicKey })),
);
const AGE = { blocksMax: 10, timeMsMax: 1_000 };

function vote(validator: number, height: number, blockId: string, round = 0): Vote {
  const fields = { kind: "prevote" as const, height, round, blockId, justifyRound: -1 };
  const whole = { ...fields, timestampMs: 5, validator };
  const signature = signers[validator]?.sign(voteStatement("c", whole)) ?? new Uint8Array(64);
  return { ...whole, signature };
}

const double = (validator: number, height: number, timestampMs = 0) =>
  doubleVoteEvidence(vote(validator, height, "b"), vote(validator, height, "a"), timestampMs);
const pool = () => new EvidencePool(new VoteCheck(committee, ED25519), AGE);

describe("EvidencePool", () => {
  it("holds each double vote once, whichever of its votes comes first", () => {
    const evidence = pool();
    expect(evidence.add(double(0, 3), 4, 100)).toBe(true);
    expect(evidence.add(double(0, 3), 4, 100)).toBe(false);
    const turned = doubleVoteEvidence(vote(0, 3, "a"), vote(0, 3, "b"), 0);
    expect(evidence.add(turned, 4, 100)).toBe(false);
    expect(evidence.take(4, 100, 10_000)).toEqual([double(0, 3)]);
  });

  it("takes nothing that proves nothing", () => {
    const same = { first: vote(0, 3, "a"), second: vote(0, 3, "a"), timestampMs: 0 };
    const others = { first: vote(0, 3, "a"), second: vote(1, 3, "b"), timestampMs: 0 };
    const rounds = { first: vote(0, 3, "a"), second: vote(0, 3, "b", 1), timestampMs: 0 };
    const forged = { ...double(0, 3), second: { ...vote(1, 3, "b"), validator: 0 } };
    const { first, second } = double(0, 3);
    const turned = { first: second, second: first, timestampMs: 0 };
    for (const wrong of [same, others, rounds, forged, turned]) {
      expect(pool().add(wrong, 4, 100)).toBe(false);
    }
    expect(pool().add(double(0, 4), 4, 100)).toBe(false);
  });

  it("commits each once", () => {
    const evidence = pool();
    evidence.add(double(0, 3), 4, 100);
    evidence.commit([double(0, 3)], 4, 100);
    expect(evidence.take(5, 110, 10_000)).toEqual([]);
    expect(evidence.add(double(0, 3), 5, 110)).toBe(false);
    expect(evidence.isAcceptable(double(0, 3), 5, 110)).toBe(false);
    expect(evidence.isAcceptable(double(1, 3), 5, 110)).toBe(true);
  });

  it("lets evidence go when it is too old by blocks and by time, not by one of them", () => {
    expect(pool().isAcceptable(double(0, 3), 13, 5_000)).toBe(true);
    expect(pool().isAcceptable(double(0, 3), 14, 1_000)).toBe(true);
    expect(pool().isAcceptable(double(0, 3), 14, 1_001)).toBe(false);
    const evidence = pool();
    evidence.add(double(0, 3), 4, 100);
    expect(evidence.take(14, 1_001, 10_000)).toEqual([]);
    // Committed before and too old now: refused for its age.
    evidence.commit([double(1, 3)], 14, 1_001);
    expect(evidence.isAcceptable(double(1, 3), 14, 1_001)).toBe(false);
  });

  it("fills a block up to its bytes, oldest first", () => {
    const evidence = pool();
    for (const height of [7, 5, 6]) evidence.add(double(2, height), 8, 100);
    expect(evidence.take(8, 100, 2 * EVIDENCE_BYTES + 1)).toEqual([double(2, 5), double(2, 6)]);
    expect(evidence.take(8, 100, EVIDENCE_BYTES - 1)).toEqual([]);
    expect(evidence.take(6, 100, 10_000)).toEqual([double(2, 5)]);
  });
});
