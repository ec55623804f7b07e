import { GgmlLibrary } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { runAccuracyJob } from "../../src/accuracy/accuracy-job.ts";
import { DEVICES, type DeviceName } from "../../src/engine/device/device-names.ts";
import { probeMachine } from "../../src/planner/machine-probe.ts";
import { measureComputeTimes } from "../../src/planner/measure-times.ts";
import { UniformRule } from "../../src/precision/rules.ts";
import { TextEvaluator } from "../../src/quality/text-evaluator.ts";
import { differenceMax } from "../engine/open.ts";
import { openSmall, temporaryFolder } from "../precision/small-moe.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const library = GgmlLibrary.load();
const card = DEVICES.find((name) => name !== "cpu" && library.find(name) !== undefined);
const why = card === undefined ? " (skipped: ggml offers no CUDA or Vulkan card here)" : "";

const { path: folder, remove } = temporaryFolder();
const small = openSmall(folder, { layers: 3, experts: 8 });
afterAll(() => {
  small.file.close();
  remove();
});
const TOKENS = [1, 77, 3, 150, 42, 9, 200, 64];
/** Of logits that differ by some 3; the CPU rounds what goes into products, cards otherwise. */
const TOLERANCE = 0.6;

/** Logits of every token in the model's own precision, token by token. */
function evaluate(device: DeviceName): Float32Array {
  const evaluator = new TextEvaluator([small], {
    device,
    threads: 1,
    contextLength: 16,
    batchTokens: 16,
  });
  try {
    const hidden = evaluator.evaluate(TOKENS, new UniformRule(0), evaluator.newCounts(), true);
    return evaluator.logits(hidden);
  } finally {
    evaluator.close();
  }
}

describe.skipIf(card === undefined)(`measuring on ${card ?? "a card"}${why}`, () => {
  const device = card ?? "cpu";

  // On CUDA only: Vulkan's software driver now and then corrupts the heap in such graphs.
  it.skipIf(card !== "cuda")("gives texts the CPU's logits within what rounding explains", () => {
    const distance = differenceMax(evaluate(device), evaluate("cpu"));
    expect(distance).toBeGreaterThan(0);
    expect(distance).toBeLessThanOrEqual(TOLERANCE);
  });

  it("reads routing there: a layer's own gate is always right", () => {
    const quiet = { throwIfCancelled() {}, progress() {}, log() {}, partial() {} };
    const result = runAccuracyJob(
      {
        kind: "accuracy",
        modelPath: SHIPPED_MODEL,
        text: "One day a little cat went out to play.",
        textName: "a cat",
        windowTokens: 16,
        tokensMax: 12,
        device,
        threads: 1,
        seed: 1,
        calibrationTokens: 0,
        budgetsPercent: [50],
        hitRateTokensMax: 0,
      },
      quiet,
    );
    expect(result.deviceName).toBe(library.find(device)?.description);
    expect(result.gates.ownGate.slot.every((share) => share === 1)).toBe(true);
    expect(Math.max(...result.gates.byDepth.flatMap(({ slot }) => slot))).toBeGreaterThan(0.3);
  });

  it("times computing and copying for plans", () => {
    const nowMs = () => performance.now();
    const times = measureComputeTimes(small.file, small.layout, {
      device,
      threads: 1,
      contextLength: 8,
      rounds: 1,
      tokens: TOKENS,
      nowMs,
      cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
    });
    expect(times.layers).toHaveLength(3);
    for (const { attentionMs, expertsMs } of times.layers) {
      expect(attentionMs).toBeGreaterThan(0);
      expect(expertsMs.every((ms) => Number.isFinite(ms) && ms >= 0)).toBe(true);
    }
    expect(times.headMs).toBeGreaterThan(0);
    const { copy } = probeMachine(small.layout, nowMs, device);
    expect(copy.bandwidthMBps).toBeGreaterThan(0);
    expect(Number.isFinite(copy.bandwidthMBps)).toBe(true);
  });
});
