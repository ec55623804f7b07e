import { describe, expect, it } from "vitest";
import { CommandApplication } from "../../src/adversary/command-application.ts";
import { HotStuff, type HotStuffMessage, timeoutStatement } from "../../src/consensus/index.ts";
import { ELIDED } from "../../src/crypto/signatures.ts";
import { Committee } from "../../src/node/index.ts";
import { SmallWorld, TIMING } from "./small-world.ts";

const POWERS = [4, 3, 5, 1];
const signers = POWERS.map((_, i) => ELIDED.createSigner(new Uint8Array(32).fill(i + 1)));
const committee = new Committee(
  "c",
  signers.map(({ publicKey }, node) => ({ node, power: POWERS[node] ?? 1, publicKey })),
);

/** One validator alone; the test plays the others. */
function startValidator(self: number) {
  const sent: HotStuffMessage[] = [];
  const signer = signers[self];
  if (signer === undefined) throw new Error("no such validator");
  const validator = new HotStuff({
    committee,
    link: {
      self,
      nowMs: () => 100,
      send: (_, message) => sent.push(message),
      broadcast: (message) => sent.push(message),
      setTimer: (delayMs) => ({ atMs: 100 + delayMs }),
      cancelTimer: () => undefined,
      charge: () => undefined,
    },
    application: new CommandApplication([1, 2, 3, 4]),
    signer,
    scheme: ELIDED,
    timing: TIMING,
  });
  validator.start();
  return { validator, sent };
}

function timeout(validator: number, view: number): HotStuffMessage {
  const fields = { view, highest: undefined, validator };
  const signature = signers[validator]?.sign(timeoutStatement("c", fields)) ?? new Uint8Array(64);
  return { type: "timeout", ...fields, signature };
}

const viewsGivenUp = (sent: readonly HotStuffMessage[]) =>
  sent.flatMap((message) => (message.type === "timeout" ? [message.view] : []));

describe("a HotStuff validator", () => {
  it("gives a view up itself before the timeouts of others take it into the next", () => {
    // 4 + 5 of 13 are a quorum. If 0 is faulty and tells 1 and 2 only, 3 needs the word of 1.
    const { validator, sent } = startValidator(1);
    validator.onMessage(0, timeout(0, 5));
    expect(viewsGivenUp(sent)).toEqual([]);
    validator.onMessage(2, timeout(2, 5));
    expect(viewsGivenUp(sent)).toEqual([5]);
  });

  it("is pulled along by more than a third, also where the same timeout opens a view before", () => {
    const { validator, sent } = startValidator(3);
    validator.onMessage(1, timeout(1, 4));
    expect(viewsGivenUp(sent)).toEqual([]);
    validator.onMessage(0, timeout(0, 4));
    expect(viewsGivenUp(sent)).toEqual([4]);
    validator.onMessage(2, timeout(2, 5));
    expect(viewsGivenUp(sent)).toEqual([4, 5]);
    validator.onMessage(2, timeout(2, 5));
    expect(viewsGivenUp(sent)).toEqual([4, 5]);
  });

  it("leads for as many views as make a block final, by power", () => {
    const world = new SmallWorld({ name: "hotstuff", powers: POWERS }).run(3_000);
    const headers = (world.applications[0]?.committed ?? []).map(({ block }) => block.header);
    expect(headers.length).toBeGreaterThan(78);
    expect(headers.map(({ round }) => round)).toEqual(headers.map((_, i) => i + 1));
    const leaders = headers.slice(0, 78).map(({ proposer }) => proposer);
    leaders.forEach((leader, i) => {
      expect(leader).toBe(leaders[i - (i % 3)]);
    });
    const turns = POWERS.map((_, i) => leaders.filter((leader) => leader === i).length);
    expect(turns).toEqual(POWERS.map((power) => 6 * power));
  });

  it("judges a proposal after what its certificate makes final, as its leader made it", () => {
    const pending: number[] = [];
    new SmallWorld({ name: "hotstuff", onJudged: (count) => pending.push(count) }).run(1_000);
    expect(pending.length).toBeGreaterThan(100);
    // The parent and its parent; what is before them is final by the certificate in the proposal.
    expect(Math.max(...pending)).toBe(2);
  });
});
