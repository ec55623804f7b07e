import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agreedTimeMs, ProposerRotation, Tally } from "../../src/consensus/index.ts";
import { Committee, NIL_ID, type Vote } from "../../src/node/index.ts";

function committeeOf(powers: readonly number[]): Committee {
  const publicKey = new Uint8Array(32);
  return new Committee(
    "test",
    powers.map((power, node) => ({ node, power, publicKey })),
  );
}

const powers = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 });
const vote = (validator: number, blockId: string): Vote => ({
  kind: "prevote",
  height: 1,
  round: 0,
  blockId,
  justifyRound: -1,
  timestampMs: 1,
  validator,
  signature: new Uint8Array(64),
});

describe("Committee", () => {
  it("has the least quorum above two thirds, so that two quorums share more than a third", () => {
    fc.assert(
      fc.property(powers, (list) => {
        const { quorumPower, minorityPower, totalPower } = committeeOf(list);
        expect(3 * quorumPower).toBeGreaterThan(2 * totalPower);
        expect(3 * (quorumPower - 1)).toBeLessThanOrEqual(2 * totalPower);
        expect(3 * minorityPower).toBeGreaterThan(totalPower);
        expect(3 * (2 * quorumPower - totalPower)).toBeGreaterThan(totalPower);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it.each([[[]], [[1, 0]], [[1, -1]], [[1.5]], [[2 ** 52, 2 ** 52]]])("refuses %j", (list) => {
    expect(() => committeeOf(list)).toThrowError(
      expect.objectContaining({ failure: expect.objectContaining({ code: "BAD_COMMITTEE" }) }),
    );
  });
});

describe("ProposerRotation", () => {
  it("lets everyone propose as often as it has power, evenly spread", () => {
    fc.assert(
      fc.property(powers, (list) => {
        const committee = committeeOf(list);
        const rotation = new ProposerRotation(committee);
        const turns = Array.from({ length: 2 * committee.totalPower }, (_, turn) =>
          rotation.proposerOf(turn),
        );
        const counts = list.map((_, i) => turns.filter((proposer) => proposer === i).length);
        expect(counts).toEqual(list.map((power) => 2 * power));
        // After t turns nobody is a whole turn ahead of or behind its due by more than the rest.
        list.forEach((power, i) => {
          let had = 0;
          turns.forEach((proposer, t) => {
            if (proposer === i) had++;
            const due = ((t + 1) * power) / committee.totalPower;
            expect(Math.abs(had - due)).toBeLessThan(list.length);
          });
        });
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("takes turns by index among equals", () => {
    const rotation = new ProposerRotation(committeeOf([5, 5, 5]));
    expect([0, 1, 2, 3, 4].map((turn) => rotation.proposerOf(turn))).toEqual([0, 1, 2, 0, 1]);
  });
});

describe("Tally", () => {
  it("counts as a list of votes does, and tells double votes", () => {
    const block = fc.constantFrom(NIL_ID, "a", "b");
    const votes = fc.array(fc.tuple(fc.nat(4), block), { maxLength: 30 });
    fc.assert(
      fc.property(votes, (cast) => {
        const committee = committeeOf([1, 2, 3, 4, 5]);
        const tally = new Tally(committee);
        const seen: [number, string][] = [];
        for (const [validator, blockId] of cast) {
          const earlier = seen.find(([who]) => who === validator);
          const isKnown = seen.some(([who, what]) => who === validator && what === blockId);
          const found = tally.add(vote(validator, blockId));
          if (isKnown) expect(found).toBe("known");
          else expect(typeof found === "object" ? found.blockId : undefined).toBe(earlier?.[1]);
          if (!isKnown) seen.push([validator, blockId]);
        }
        const powerFor = (blockId: string) =>
          committee.powerOfAll(seen.filter(([, id]) => id === blockId).map(([who]) => who));
        for (const id of [NIL_ID, "a", "b"]) expect(tally.powerFor(id)).toBe(powerFor(id));
        expect(tally.anyPower).toBe(committee.powerOfAll(seen.map(([who]) => who)));
        const quorum = [NIL_ID, "a", "b"].filter((id) => powerFor(id) >= committee.quorumPower);
        expect(quorum.length === 0 ? [undefined] : quorum).toContain(tally.quorumBlock());
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe("agreedTimeMs", () => {
  it("lies between times of correct voters while less than half of the votes lie", () => {
    const times = fc.array(fc.integer({ min: 100, max: 200 }), { minLength: 3, maxLength: 7 });
    const lies = fc.array(fc.integer({ min: -1_000, max: 10_000 }), { maxLength: 3 });
    fc.assert(
      fc.property(times, lies, (correct, lying) => {
        fc.pre(2 * lying.length < correct.length + lying.length);
        const votes = [...correct, ...lying].map((timestampMs, i) => ({
          ...vote(i, "a"),
          timestampMs,
        }));
        const certificate = { kind: "prevote" as const, height: 1, round: 0, blockId: "a", votes };
        const timeMs = agreedTimeMs(certificate, 0, () => 1);
        expect(timeMs).toBeGreaterThanOrEqual(Math.min(...correct));
        expect(timeMs).toBeLessThanOrEqual(Math.max(...correct));
        expect(agreedTimeMs(certificate, 20_000, () => 1)).toBe(20_001);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});
