import { describe, expect, it } from "vitest";
import { openEngine } from "../engine/open.ts";
import { expectSameRows, generate, randomPrompts } from "./open-group.ts";

describe("GroupEngine on the shipped model", () => {
  it("gives the bits of the engine for batches of one sequence, prompts as one graph", () => {
    const prompts = randomPrompts([7, 33]);
    const group = generate({
      schedule: "klotski",
      slotCount: 40,
      batches: 2,
      prompts,
      outputTokens: 4,
    });
    const engine = openEngine({ contextLength: 40 });
    prompts.forEach((prompt, sequence) => {
      engine.reset();
      const rows = [engine.prefill(prompt).slice()];
      for (const token of (group.tokens[sequence] ?? []).slice(0, 3)) {
        rows.push(engine.decode(token).slice());
      }
      expectSameRows(group.logits[sequence], rows);
    });
    engine.close();
  });

  it("gives the same bits in groups with a quarter in memory and alone with three slots", () => {
    const shape = { batches: 2, prompts: randomPrompts([5, 9, 1, 6]), outputTokens: 3 };
    const group = generate({ ...shape, schedule: "klotski", slotCount: 64 });
    const alone = generate({ ...shape, schedule: "simple-pipeline", slotCount: 3 });
    expectSameRows(group.logits.flat(), alone.logits.flat());
    expect(group.tokens).toEqual(alone.tokens);
  });
});
