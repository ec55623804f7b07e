import { GgmlLibrary, openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { DEVICES, type DeviceName } from "../../src/engine/device/device-names.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { StreamSession } from "../../src/prefill/stream-session.ts";
import { WavePrefill } from "../../src/prefill/wave-prefill.ts";
import type { HostTierOptions } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { differenceMax, haveSameBits } from "../engine/open.ts";
import { writeRandomModel } from "../throughput/random-model-file.ts";

const library = GgmlLibrary.load();
const card = DEVICES.find((name) => name !== "cpu" && library.find(name) !== undefined);

const { model: modelPath, remove } = writeRandomModel({
  architecture: "qwen2moe",
  experts: 12,
  used: 3,
  layers: 3,
  context: 64,
  sharedInner: 32,
});
afterAll(remove);
const file = openGguf(modelPath);
const layout = expertLayout(file, describeModel(file));
file.close();
const ALL = layout.moeLayers.length * layout.expertCount;
const random = createPrng(3, "prompts");
/**
 * Short and alike: ggml's product of medium tiles leaves its shared memory on Vulkan's software
 * driver, where that is the process's heap.
 */
const PROMPTS = [20, 20, 20].map((length) => Array.from({ length }, () => random.nextInt(250)));
const PINNED: HostTierOptions = {
  budgetBytes: 2 * ALL * layout.expertBytes,
  mode: "pinned",
  preload: true,
};

/** Of logits of up to 2.5; the CPU rounds what goes into a product to 8 bits, cards otherwise. */
const LOGIT_TOLERANCE = 0.5;

/** Logits after each prompt, and what was loaded. */
function evaluate(device: DeviceName, slots: number, host?: HostTierOptions) {
  const session = new StreamSession({
    modelPath,
    budgetBytes: slots * layout.expertBytes,
    ...{ device, host, link: FREE_LINK, threads: 1 },
    contextTokensMax: 64,
    batchTokensMax: 64,
  });
  const { machine, nowMs, stream } = session;
  const waves = new WavePrefill(machine, stream, { nowMs });
  try {
    const logits = PROMPTS.map((prompt) => {
      machine.context.enter(prompt, 0, prompt.length, 0);
      const batch = { tokenCount: prompt.length, position: 0, wantsLogits: true };
      return waves.evaluate(batch).slice();
    });
    return { logits, loads: stream.counts.demanded + stream.counts.prefetched };
  } finally {
    waves.close();
    session.close();
  }
}

const why = card === undefined ? " (skipped: ggml offers no CUDA or Vulkan card here)" : "";
describe.skipIf(card === undefined)(`waves of experts on ${card ?? "a card"}${why}`, () => {
  const device = card ?? "cpu";

  it("give the bits of all experts resident with any number of slots from any tier", () => {
    const resident = evaluate(device, ALL);
    expect(resident.loads).toBeLessThanOrEqual(ALL);
    for (const [slots, host] of [
      [2, undefined],
      [5, PINNED],
    ] as const) {
      const { loads, logits } = evaluate(device, slots, host);
      expect(loads).toBeGreaterThan(ALL);
      expect(logits.map((row, i) => haveSameBits(row, resident.logits[i] ?? row))).toEqual(
        PROMPTS.map(() => true),
      );
    }
  });

  it("give the CPU's logits within what rounding explains", () => {
    const expected = evaluate("cpu", 9).logits;
    const { logits } = evaluate(device, 9, PINNED);
    logits.forEach((row, i) => {
      const distance = differenceMax(row, expected[i] ?? row);
      expect(distance).toBeGreaterThan(0);
      expect(distance).toBeLessThanOrEqual(LOGIT_TOLERANCE);
    });
  });
});
