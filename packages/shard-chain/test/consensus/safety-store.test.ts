import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { COMMAND_CODEC } from "../../src/adversary/command-application.ts";
import { drawScenario } from "../../src/adversary/draw-scenario.ts";
import { runScenario } from "../../src/adversary/run-scenario.ts";
import { type ConsensusState, FileSafetyStore, StateCodec } from "../../src/consensus/index.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../../src/node/index.ts";

const folder = mkdtempSync(path.join(tmpdir(), "fmlab-safety-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** States that validators wrote down in runs in which things went wrong. */
function states(name: ConsensusName): ConsensusState[] {
  const found: ConsensusState[] = [];
  const onSave = (state: unknown) => found.push(state as ConsensusState);
  for (const seed of [3]) runScenario(drawScenario(name, seed, "below-third"), { onSave });
  const every = Math.ceil(found.length / 40);
  return found.filter((_, i) => i % every === 0);
}

describe.each(CONSENSUS_NAMES)("the state that a validator of %s keeps", (name) => {
  const codec = new StateCodec(name, COMMAND_CODEC);

  it("comes back as it was written", () => {
    const all = states(name);
    expect(all.length).toBeGreaterThan(20);
    for (const state of all) expect(codec.decode(codec.encode(state))).toEqual(state);
    const [one] = all;
    if (one === undefined) throw new Error("no state");
    const bytes = codec.encode(one);
    expect(codec.decode(bytes.subarray(1))).toBeUndefined();
    expect(codec.decode(bytes.subarray(0, bytes.length - 1))).toBeUndefined();
    expect(codec.decode(Uint8Array.of(...bytes, 0))).toBeUndefined();
  });

  it("is the last one saved, and a damaged file is an error and not an empty memory", () => {
    const file = path.join(folder, name);
    const store = new FileSafetyStore(file, codec);
    expect(store.load()).toBeUndefined();
    const all = states(name).slice(0, 5);
    for (const state of all) store.save(state);
    expect(new FileSafetyStore(file, codec).load()).toEqual(all.at(-1));
    expect(readdirSync(folder).filter((one) => one.startsWith(name))).toEqual([name]);
    const bytes = readFileSync(file);
    for (const damaged of [bytes.subarray(0, 20), bytes.with(40, (bytes[40] ?? 0) ^ 1), ""]) {
      writeFileSync(file, damaged);
      expect(() => store.load()).toThrowError(expect.objectContaining({ code: "BAD_BYTES" }));
    }
  });
});
