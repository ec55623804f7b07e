import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { StreamSession } from "../../src/prefill/stream-session.ts";
import { CorrelationTable } from "../../src/throughput/correlation-table.ts";
import { GroupEngine } from "../../src/throughput/group-engine.ts";
import { SCHEDULES, type ScheduleName } from "../../src/throughput/schedules.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { withFile } from "../engine/every-way.ts";
import { randomModelFile } from "../engine/random-model.ts";
import { expectSameRows, randomPrompts } from "./open-group.ts";

const EXPERTS = 6;
const USED = 2;
const LAYERS = 3;
const MODEL = randomModelFile({
  architecture: "olmoe",
  seed: 5,
  layers: LAYERS,
  width: 64,
  heads: 2,
  kvHeads: 2,
  experts: EXPERTS,
  used: USED,
  inner: 32,
  context: 40,
  ropeBase: 10_000,
  epsilon: 1e-5,
});
const PROMPTS = randomPrompts([4, 7, 1, 5], 200);
const OUTPUT = 4;

/** Two different experts that depend on everything a routing may depend on. */
function expertsOf(layer: number, sequence: number, position: number): number[] {
  const random = createPrng(layer + 10 * sequence + 100 * position, "routing");
  const first = random.nextInt(EXPERTS);
  return [first, (first + 1 + random.nextInt(EXPERTS - 1)) % EXPERTS];
}

/** Logits by sequence and step, uses of experts, and whether each token was asked for once. */
function generate(modelPath: string, schedule: ScheduleName, isReplayed: boolean) {
  const slots = { ...{ budgetBytes: 60_000, link: FREE_LINK, threads: 1 }, contextTokensMax: 8 };
  const session = new StreamSession({ modelPath, ...slots, batchTokensMax: 8 });
  const { machine, nowMs } = session;
  const groupSize = SCHEDULES[schedule].sharesLoads ? 2 : 1;
  const asked: string[] = [];
  const routing = {
    replace(layer: number, sequence: number, position: number, chosen: Int32Array) {
      for (let token = 0; token * USED < chosen.length; token++) {
        asked.push(`${layer} ${sequence} ${position + token}`);
        chosen.set(expertsOf(layer, sequence, position + token), token * USED);
      }
    },
  };
  const engine = new GroupEngine({
    machine,
    stream: session.stream,
    table: new CorrelationTable(machine.model),
    schedule: SCHEDULES[schedule],
    sequencesPerBatch: 2,
    batchCount: groupSize,
    promptTokensMax: 8,
    contextTokensMax: 8 + OUTPUT,
    hotCount: USED,
    nowMs,
    routing: isReplayed ? routing : undefined,
  });
  const logits: Float32Array[][] = PROMPTS.map(() => []);
  const size = 2 * groupSize;
  try {
    for (let first = 0; first < PROMPTS.length; first += size) {
      const keep = (sequence: number, _step: number, row: Float32Array) => {
        logits[first + sequence]?.push(row.slice());
      };
      engine.prefill(PROMPTS.slice(first, first + size), keep);
      for (let step = 1; step < OUTPUT; step++) engine.step(keep);
    }
    return { logits, uses: [...engine.pass.uses], asked };
  } finally {
    engine.close();
    session.close();
  }
}

/** What each sequence's tokens ask for: all of them, but of prompts in the last layer the last. */
function expectedUses(): { uses: number[]; asked: string[] } {
  const uses = new Array<number>(LAYERS * EXPERTS).fill(0);
  const asked: string[] = [];
  PROMPTS.forEach(({ length }, sequence) => {
    for (let layer = 0; layer < LAYERS; layer++) {
      const first = layer === LAYERS - 1 ? length - 1 : 0;
      for (let position = first; position < length + OUTPUT - 1; position++) {
        asked.push(`${layer} ${sequence} ${position}`);
        for (const expert of expertsOf(layer, sequence, position)) {
          const key = layer * EXPERTS + expert;
          uses[key] = (uses[key] ?? 0) + 1;
        }
      }
    }
  });
  return { uses, asked: asked.sort() };
}

describe("routing in place of the model's routers", () => {
  it("decides what every token of every group uses, whatever the schedule, once each", () => {
    withFile(MODEL, (path) => {
      const expected = expectedUses();
      const group = generate(path, "klotski", true);
      const alone = generate(path, "no-overlap", true);
      for (const { asked, uses } of [group, alone]) {
        expect(asked.sort()).toEqual(expected.asked);
        expect(uses).toEqual(expected.uses);
      }
      expectSameRows(group.logits.flat(), alone.logits.flat());
      const own = generate(path, "klotski", false);
      expect(own.logits[0]).not.toEqual(group.logits[0]);
    });
  });
});
