import { describe, expect, it } from "vitest";
import { VoteCheck } from "../../src/consensus/index.ts";
import { ED25519 } from "../../src/crypto/signatures.ts";
import { CONSENSUS_NAMES } from "../../src/node/index.ts";
import { SmallWorld, TIMING } from "./small-world.ts";

const ONE_WAY_MS = 10;

describe.each(CONSENSUS_NAMES)("%s among correct validators", (name) => {
  it("gives every validator the same chain, with every command once and in order", () => {
    const world = new SmallWorld({ name, jitter: 0.3 }).run(1_500);
    const longest = Math.max(...world.applications.map(({ committed }) => committed.length));
    expect(longest).toBeGreaterThan(15);
    for (const [i, application] of world.applications.entries()) {
      expect(application.committed.length).toBeGreaterThanOrEqual(longest - 2);
      expect(world.chain(0).slice(0, world.chain(i).length)).toEqual(
        world.chain(i).slice(0, world.chain(0).length),
      );
      expect([...application.done]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(application.committed.map(({ block }) => block.header.height)).toEqual(
        application.committed.map((_, index) => index + 1),
      );
    }
  });

  it("takes the message delays that the protocol has, and no more", () => {
    const { commitTimesMs } = new SmallWorld({ name }).run(1_000);
    const gaps = commitTimesMs.slice(1).map((atMs, i) => atMs - (commitTimesMs[i] ?? 0));
    // Tendermint and PBFT: proposal and two rounds of votes; a HotStuff view: proposal and votes.
    const delays = name === "hotstuff" ? 2 : 3;
    const expected = delays * ONE_WAY_MS + TIMING.pauseMs;
    expect(gaps.length).toBeGreaterThan(20);
    if (name !== "hotstuff") {
      for (const gap of gaps) expect(gap).toBeCloseTo(expected, 6);
    } else {
      const meanMs = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      expect(Math.abs(meanMs - expected)).toBeLessThan((2 * ONE_WAY_MS) / gaps.length);
      // The first block: three views to certify it and two successors, one way to tell.
      expect(commitTimesMs[0]).toBeLessThanOrEqual(3 * expected + ONE_WAY_MS);
    }
  });

  it("lives where messages travel longer than its time-outs allow for: they grow", () => {
    const timing = { proposeMs: 3, voteMs: 2, growthMs: 2, pauseMs: 0, resendMs: 400 };
    const world = new SmallWorld({ name, timing, jitter: 0.2 }).run(4_000);
    for (const { done } of world.applications) expect(done.size).toBe(8);
  });

  it("orders blocks by a time that rises and lies between the clocks of the voters", () => {
    const world = new SmallWorld({ name, jitter: 0.5 }).run(1_000);
    const times = (world.applications[0]?.committed ?? []).map(
      ({ block }) => block.header.timestampMs,
    );
    times.slice(1).forEach((timeMs, i) => {
      expect(timeMs).toBeGreaterThan(times[i] ?? 0);
      expect(timeMs).toBeLessThan(world.commitTimesMs[i + 1] ?? 0);
    });
  });

  it("proves blocks to whoever knows the committee, and proves no other block", () => {
    const world = new SmallWorld({ name, scheme: ED25519 }).run(300);
    const check = () => new VoteCheck(world.committee, world.scheme);
    const { committed } = world.applications[1] as (typeof world.applications)[number];
    expect(committed.length).toBeGreaterThan(2);
    for (const { block, proof } of committed) {
      expect(check().finalBlockId(proof)).toBe(block.id);
    }
    const [first, second] = committed;
    if (first === undefined || second === undefined) throw new Error("too few blocks");
    const { headers, certificate } = first.proof;
    const fewer = { ...certificate, votes: certificate.votes.slice(0, 2) };
    const twice = { ...fewer, votes: [...fewer.votes, ...fewer.votes.slice(1)] };
    const forged = {
      ...certificate,
      votes: certificate.votes.map((vote) => ({ ...vote, timestampMs: vote.timestampMs + 1 })),
    };
    const changed = headers.map((header) => ({ ...header, payloadDigest: "ff".repeat(32) }));
    const wrong = [
      { headers, certificate: fewer },
      { headers, certificate: twice },
      { headers, certificate: forged },
      { headers: changed, certificate },
      { headers: second.proof.headers, certificate },
      { headers: [], certificate },
    ];
    for (const proof of wrong) expect(check().finalBlockId(proof)).toBeUndefined();
    const elsewhere = new SmallWorld({ name }).committee;
    expect(new VoteCheck(elsewhere, ED25519).finalBlockId(first.proof)).toBeUndefined();
  });

  it("runs alike from one seed, and alike in time whether votes are signed or elided", () => {
    const costs = { sign: 0.05, verify: 0.15 };
    const run = (scheme?: typeof ED25519, seed = 3) =>
      new SmallWorld({ name, jitter: 0.5, costs, seed, ...(scheme && { scheme }) }).run(400);
    const elided = run();
    expect(run().world.trace.digest()).toBe(elided.world.trace.digest());
    expect(run(undefined, 4).world.trace.digest()).not.toBe(elided.world.trace.digest());
    expect(run(ED25519).commitTimesMs).toEqual(elided.commitTimesMs);
    expect(elided.world.usedMs(0)).toBeGreaterThan(1);
  });

  it("goes on without a third of the power, and gives who comes late all blocks", () => {
    const world = new SmallWorld({ name, powers: [3, 2, 3, 3], jitter: 0.2 });
    world.world.crash(2);
    world.run(3_000);
    expect(world.applications[0]?.done.size).toBe(8);
    expect(world.applications[2]?.committed).toEqual([]);
    const late = new SmallWorld({ name, powers: [3, 2, 3, 3] });
    const blocks = world.applications[0]?.committed.slice(0, 12) ?? [];
    late.validators[2]?.onMessage(0, { type: "blocks", blocks: blocks.slice(0, 5) });
    late.validators[2]?.onMessage(0, { type: "blocks", blocks: blocks.slice(3, 9) });
    late.validators[2]?.onMessage(0, { type: "blocks", blocks: blocks.slice(10) });
    expect(late.chain(2)).toEqual(blocks.slice(0, 9).map(({ block }) => block.id));
  });
});
