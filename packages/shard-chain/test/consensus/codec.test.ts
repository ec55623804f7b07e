import { createPrng, type Prng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { blame } from "../../src/adversary/blame.ts";
import { COMMAND_CODEC } from "../../src/adversary/command-application.ts";
import { drawScenario } from "../../src/adversary/draw-scenario.ts";
import { ConsensusCodec, type ConsensusMessage } from "../../src/consensus/index.ts";
import { ED25519 } from "../../src/crypto/signatures.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../../src/node/index.ts";
import { SmallWorld } from "./small-world.ts";

/** Messages of all types that a consensus has, from runs in which things go wrong. */
function manyMessages(name: ConsensusName): ConsensusMessage[] {
  const seeds = [1, 2, 3, 4, 5, 6];
  return seeds.flatMap((seed) =>
    [...blame(drawScenario(name, seed, "below-third")).outcome.messages].slice(0, 1_500),
  );
}

function mutate(bytes: Uint8Array, prng: Prng): Uint8Array {
  const changed = Uint8Array.from(bytes);
  for (let i = 0; i <= prng.nextInt(3); i++) {
    changed[prng.nextInt(changed.length)] = prng.nextInt(256);
  }
  if (prng.chance(0.2)) return changed.subarray(0, prng.nextInt(changed.length));
  return prng.chance(0.1) ? Uint8Array.of(...changed, ...changed.subarray(0, 40)) : changed;
}

describe.each(CONSENSUS_NAMES)("messages of %s", (name) => {
  const codec = new ConsensusCodec(name, COMMAND_CODEC);
  const many = manyMessages(name);

  it("come back as they were written, in as many bytes as they say", () => {
    const types = new Set(many.map(({ type }) => type));
    expect(types.size).toBeGreaterThanOrEqual(name === "hotstuff" ? 6 : 5);
    for (const message of many.filter((_, i) => i % 15 === 0)) {
      const bytes = codec.encode(message);
      expect(codec.sizeOf(message)).toBe(bytes.length);
      expect(codec.decode(bytes)).toEqual(message);
    }
  });

  it("are read in one form only: what is read writes the same bytes", () => {
    const prng = createPrng(5, name);
    const messages = prng.shuffle(many).slice(0, 200);
    let readable = 0;
    for (let i = 0; i < 3_000; i++) {
      const bytes = mutate(codec.encode(prng.pick(messages)), prng);
      const message = codec.decode(bytes);
      if (message === undefined) continue;
      readable++;
      expect(Buffer.from(codec.encode(message)).equals(bytes)).toBe(true);
    }
    expect(readable).toBeGreaterThan(300);
    for (const other of CONSENSUS_NAMES.filter((one) => one !== name)) {
      const foreign = { tendermint: 4, hotstuff: 5, pbft: 8 }[other];
      expect(codec.decode(Uint8Array.of(foreign, 0, 0))).toBeUndefined();
    }
    expect(codec.decode(new Uint8Array(0))).toBeUndefined();
  });

  it("do nothing to a validator once a byte of them is changed", () => {
    const prng = createPrng(6, name);
    const source = new SmallWorld({ name, scheme: ED25519, jitter: 0.5 }).run(120);
    const frames = source.messages.map((message) => codec.encode(message));
    const victim = new SmallWorld({ name, scheme: ED25519 }).run(0);
    const before = victim.world.trace.count;
    for (let i = 0; i < 1_500; i++) {
      const bytes = mutate(prng.pick(frames), prng);
      const message = codec.decode(bytes);
      if (message === undefined) continue;
      const isOriginal = frames.some((frame) => Buffer.from(frame).equals(bytes));
      if (isOriginal || message.type === "status" || message.type === "request") continue;
      victim.validators[3]?.onMessage(prng.nextInt(3), message);
    }
    expect(victim.world.trace.count).toBe(before);
    expect(victim.chain(3)).toEqual([]);
    expect(victim.validators[3]?.committedHeight).toBe(0);
    victim.run(400);
    expect(victim.chain(3).length).toBeGreaterThan(5);
  });
});
