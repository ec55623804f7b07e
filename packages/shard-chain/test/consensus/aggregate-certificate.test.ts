import { describe, expect, it } from "vitest";
import { aggregateCertificate, isAggregateCertificate } from "../../src/consensus/index.ts";
import { BLS } from "../../src/crypto/index.ts";
import { CONSENSUS_NAMES } from "../../src/node/index.ts";
import { SmallWorld } from "./small-world.ts";

describe.each(CONSENSUS_NAMES)("%s with BLS votes", (name) => {
  it("commits, and proves its blocks by one signature for a whole certificate", () => {
    const world = new SmallWorld({ name, scheme: BLS, commands: 2 }).run(130);
    const [, , , last] = world.applications.map(({ committed }) => committed.at(-1));
    const certificate = last?.proof.certificate;
    if (certificate === undefined) throw new Error("nothing was committed");
    const aggregate = aggregateCertificate(certificate);
    expect(isAggregateCertificate(world.committee, aggregate)).toBe(true);
    const [first, ...others] = aggregate.ballots;
    if (first === undefined) throw new Error("no ballots");
    const wrong = [
      { ...aggregate, ballots: others },
      { ...aggregate, blockId: "ff".repeat(32) },
      { ...aggregate, ballots: [{ ...first, timestampMs: 1 }, ...others] },
      { ...aggregate, ballots: [...others, first] },
      { ...aggregate, ballots: [{ ...first, validator: 9 }] },
      { ...aggregate, signature: new Uint8Array(96) },
    ];
    for (const one of wrong) expect(isAggregateCertificate(world.committee, one)).toBe(false);
  });
});
