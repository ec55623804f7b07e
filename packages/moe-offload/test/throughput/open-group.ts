import { type GgufFile, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { expect } from "vitest";
import { SlotStream } from "../../src/prefill/slot-stream.ts";
import { openStreamMachine } from "../../src/prefill/stream-machine.ts";
import { StreamWindow } from "../../src/prefill/stream-window.ts";
import { CorrelationTable } from "../../src/throughput/correlation-table.ts";
import { GroupEngine } from "../../src/throughput/group-engine.ts";
import { SCHEDULES, type ScheduleName } from "../../src/throughput/schedules.ts";
import { differentRows } from "../engine/every-way.ts";
import { UnsteadyLane } from "../prefill/unsteady-lane.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

/** What a test lets a group generate. */
export interface GroupCase {
  schedule: ScheduleName;
  slotCount: number;
  haste?: number;
  batches: number;
  prompts: readonly (readonly number[])[];
  outputTokens: number;
  path?: string;
}

/** Prompts of random tokens, of the given lengths. */
export function randomPrompts(lengths: readonly number[], vocabularySize = 8192): number[][] {
  const random = createPrng(7, "prompts");
  return lengths.map((length) => Array.from({ length }, () => random.nextInt(vocabularySize)));
}

/** Generates, in groups or batch by batch as the schedule says; logits by sequence and step. */
export function generate(one: GroupCase) {
  const file: GgufFile = openGguf(one.path ?? SHIPPED_MODEL);
  const schedule = SCHEDULES[one.schedule];
  const perBatch = one.prompts.length / one.batches;
  const promptTokensMax = Math.max(...one.prompts.map((prompt) => prompt.length));
  const opened = openStreamMachine(file, {
    slotsOf: () => one.slotCount,
    threads: 1,
    contextLength: promptTokensMax,
    batchTokens: promptTokensMax,
  });
  const { layout, machine } = opened;
  const lane = new UnsteadyLane(file, layout, machine.pool, one.haste ?? 0.3, one.slotCount);
  const stream = new SlotStream({
    shape: layout,
    lane,
    classes: machine.pool.classes,
    classOfLayer: (layer) => machine.pool.classOfLayer(layer).index,
    window: new StreamWindow(layout.expertCount),
  });
  const groupSize = schedule.sharesLoads ? one.batches : 1;
  const table = new CorrelationTable(layout);
  const engine = new GroupEngine({
    machine,
    stream,
    table,
    schedule,
    sequencesPerBatch: perBatch,
    batchCount: groupSize,
    promptTokensMax,
    contextTokensMax: promptTokensMax + one.outputTokens,
    hotCount: layout.expertUsedCount,
    nowMs: () => lane.nowMs(),
  });
  const logits: Float32Array[][] = one.prompts.map(() => []);
  const tokens: number[][] = one.prompts.map(() => []);
  const stride = groupSize * perBatch;
  for (let first = 0; first < one.prompts.length; first += stride) {
    const keep = (sequence: number, _step: number, row: Float32Array) => {
      logits[first + sequence]?.push(row.slice());
    };
    const note = (chosen: Int32Array) =>
      chosen.forEach((token, sequence) => {
        tokens[first + sequence]?.push(token);
      });
    note(engine.prefill(one.prompts.slice(first, first + stride), keep));
    for (let step = 1; step < one.outputTokens; step++) note(engine.step(keep));
  }
  const counts = { ...stream.counts };
  engine.close();
  opened.close();
  file.close();
  return { logits, tokens, counts, table, log: lane.log };
}

/** As many rows, and the same bits in each. */
export function expectSameRows(
  rows: readonly Float32Array[] | undefined,
  expected: readonly Float32Array[],
): void {
  expect(rows?.length).toBe(expected.length);
  expect(differentRows(expected, rows ?? [])).toEqual([]);
}
