import { describe, expect, it } from "vitest";
import { SCHEDULE_NAMES } from "../../src/throughput/schedules.ts";
import { haveSameBits, openEngine } from "../engine/open.ts";
import { type GroupCase, generate, randomPrompts } from "./open-group.ts";

/** Two batches of two sequences, of different lengths. */
const SHAPE = {
  batches: 2,
  prompts: randomPrompts([5, 9, 1, 6]),
  outputTokens: 3,
} satisfies Partial<GroupCase>;

function expectSameBits(a: Float32Array[][], b: Float32Array[][]): void {
  expect(a.map((rows) => rows.length)).toEqual(b.map((rows) => rows.length));
  a.forEach((rows, sequence) => {
    rows.forEach((row, step) => {
      const other = b[sequence]?.[step] ?? new Float32Array(0);
      expect([sequence, step, haveSameBits(row, other)]).toEqual([sequence, step, true]);
    });
  });
}

describe("GroupEngine", () => {
  const reference = generate({ ...SHAPE, schedule: "klotski", slotCount: 256 });
  const schedules = SCHEDULE_NAMES.filter((name) => name !== "klotski-q");

  it.each(schedules.flatMap((name) => [3, 64].map((slots) => [name, slots] as const)))(
    "gives the same bits with schedule %s and %i slots",
    (schedule, slotCount) => {
      expectSameBits(generate({ ...SHAPE, schedule, slotCount }).logits, reference.logits);
    },
  );

  it("gives the bits of the engine for batches of one sequence", () => {
    const prompts = randomPrompts([7, 12]);
    const group = generate({
      schedule: "klotski",
      slotCount: 40,
      batches: 2,
      prompts,
      outputTokens: 4,
    });
    const engine = openEngine({ contextLength: 32 });
    const single = prompts.map((prompt, sequence) => {
      engine.reset();
      const rows = [engine.prefill(prompt).slice()];
      for (const token of (group.tokens[sequence] ?? []).slice(0, 3)) {
        rows.push(engine.decode(token).slice());
      }
      return rows;
    });
    engine.close();
    expectSameBits(group.logits, single);
  });
});
