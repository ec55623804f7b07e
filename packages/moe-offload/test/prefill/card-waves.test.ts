import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { ActivationMemory } from "../../src/prefill/activation-memory.ts";
import { CardWaves } from "../../src/prefill/device/card-waves.ts";
import { residentStream } from "../../src/prefill/resident-stream.ts";
import { groupRows, rowsOf } from "../../src/prefill/row-groups.ts";
import { openStreamMachine } from "../../src/prefill/stream-machine.ts";
import { HostWaves, type WaveComputer } from "../../src/prefill/wave-computer.ts";
import { writeRandomModel } from "../throughput/random-model-file.ts";

const { model: path, remove } = writeRandomModel({
  architecture: "qwen2moe",
  experts: 12,
  used: 3,
  context: 128,
  sharedInner: 32,
  types: { "1.ffn_up_exps": "F16" },
});
afterAll(remove);
const file = openGguf(path);
const opened = openStreamMachine(file, {
  slotsOf: (layout) => layout.moeLayers.length * layout.expertCount,
  threads: 1,
  contextLength: 128,
  batchTokens: 100,
});
const { layout, machine } = opened;
for (const layer of layout.moeLayers) {
  for (let expert = 0; expert < layout.expertCount; expert++) {
    for (const part of EXPERT_PARTS) {
      const { offset, fileIndex } = layout.range(layer, expert, part);
      file.read(
        offset,
        machine.pool.view(machine.pool.residentSlot(layer, expert), part),
        fileIndex,
      );
    }
  }
}
afterAll(() => {
  opened.close();
  file.close();
});

const keyOf = (layer: number, expert: number) => layer * layout.expertCount + expert;

/** Outputs of the experts that tokens chose, computed expert by expert in a random order. */
function compute(
  open: (parts: ConstructorParameters<typeof CardWaves>[0]) => WaveComputer,
  layer: number,
  tokens: number,
): Float32Array {
  const memory = new ActivationMemory(machine.model, machine.device, 100);
  const stream = residentStream(layout, machine.pool);
  const waves = open({ machine, memory, stream, keyOf });
  const random = createPrng(tokens, "tokens");
  for (const [i] of memory.normed.float32().entries()) {
    memory.normed.float32()[i] = random.nextFloat() - 0.5;
  }
  const chosen = Int32Array.from({ length: 3 * tokens }, (_, i) => 4 * (i % 3) + random.nextInt(4));
  const groups = groupRows(chosen, 12);
  const work = Array.from({ length: 12 }, (_, expert) => ({
    expert,
    rows: rowsOf(groups, expert),
  }));
  try {
    waves.enter(work);
    const order = createPrng(7, "order").shuffle([...work]);
    const finish = [order.slice(0, 5), order.slice(5)].map((some) => waves.begin(layer, some));
    waves.leave();
    for (const one of finish) one?.();
    return memory.expertRows.float32().slice(0, 3 * tokens * machine.model.embeddingLength);
  } finally {
    waves.close();
    memory.close();
  }
}

// The graphs of a card, on the one device that every machine has.
describe("waves as a card computes them", () => {
  it.each([1, 2, 9, 30, 100])("give what waves on the host give, for %i tokens", (tokens) => {
    for (const layer of layout.moeLayers) {
      const expected = compute((parts) => new HostWaves(parts), layer, tokens);
      const rows = compute((parts) => new CardWaves(parts), layer, tokens);
      const spread = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(spread).toBeGreaterThan(0.01);
      rows.forEach((value, i) => {
        expect(Math.abs(value - (expected[i] ?? 0))).toBeLessThanOrEqual(1e-5 * spread);
      });
    }
  });
});
