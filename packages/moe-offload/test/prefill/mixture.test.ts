import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { prefill } from "../../src/definitions/prefill.ts";
import { BatchMixture } from "../../src/precision/batch-mixture.ts";
import type { RoutedBatch } from "../../src/precision/rules.ts";
import { joinLayouts } from "../../src/precision/tiered-pool.ts";
import { openTwins } from "../../src/precision/twins.ts";
import { mixedSlots } from "../../src/prefill/mixed-slots.ts";
import { evaluatePrompt } from "../../src/prefill/prefill-session.ts";
import { ResidentPrompt } from "../../src/prefill/resident-prompt.ts";
import { StreamSession } from "../../src/prefill/stream-session.ts";
import { WavePrefill } from "../../src/prefill/wave-prefill.ts";
import { TextEvaluator } from "../../src/quality/text-evaluator.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { openSmall, temporaryFolder } from "../precision/small-moe.ts";
import { BatchContext, runExperiment } from "../throughput/run-context.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);
/** Layer 1 is of another class than the others. */
const small = openSmall(folder, { layers: 4, experts: 12, types: { "1.ffn_down_exps": "F16" } });
const twins = openTwins({ ...small, kind: "q2_k", folder });
afterAll(() => {
  small.file.close();
  twins.file.close();
});
const shape = small.layout;
const evaluator = new TextEvaluator([small, twins], {
  threads: 1,
  contextLength: 64,
  batchTokens: 64,
});
afterAll(() => evaluator.close());
const random = createPrng(7, "prompts");
const prompts = [48, 30, 48, 2].map((length) => Array.from({ length }, () => random.nextInt(250)));

function openSession(rate: number, budgetBytes: number): StreamSession {
  return new StreamSession({
    modelPath: small.path,
    budgetBytes,
    link: FREE_LINK,
    threads: 1,
    contextTokensMax: 64,
    batchTokensMax: 64,
    mixture: { kind: "q2_k", otherFolder: folder, rate },
  });
}

/** What follows each prompt, with what was low of each layer when it was computed. */
function runWaves(rate: number, budgetBytes: number) {
  const session = openSession(rate, budgetBytes);
  const { machine, mixture, nowMs, stream } = session;
  const waves = new WavePrefill(machine, stream, { nowMs, mixture });
  const runs = prompts.map((prompt) => {
    const chosenBy = new Map<number, Int32Array>();
    machine.context.enter(prompt, 0, prompt.length, 0);
    const logits = waves
      .evaluate({
        tokenCount: prompt.length,
        position: 0,
        wantsLogits: true,
        onRouting: (layer, chosen) => chosenBy.set(layer, chosen.slice()),
      })
      .slice();
    const isLow = shape.moeLayers.map((layer) =>
      Array.from({ length: shape.expertCount }, (_, expert) => mixture?.isLow(layer, expert)),
    );
    return { logits, isLow, chosenBy };
  });
  const { slotBytes } = session.facts;
  const counts = { ...mixture?.counts };
  waves.close();
  session.close();
  return { runs, slotBytes, counts };
}

/** The same, every expert resident in both precisions, by the decisions of a run. */
function evaluateLow(isLow: readonly (readonly (boolean | undefined)[])[], prompt: number[]) {
  const choose = ({ experts, layer }: RoutedBatch, tiers: Uint8Array) => {
    experts.forEach((expert, i) => {
      tiers[i] = isLow[layer]?.[expert] ? 1 : 0;
    });
  };
  const rule = { isPerToken: false, choose };
  const hidden = evaluator.evaluate(prompt, rule, evaluator.newCounts());
  return evaluator.logits(hidden.subarray(hidden.length - evaluator.width));
}

function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] ?? 0))), 0);
}

describe("the mixture of precisions in prefill", () => {
  it.each([0.3, 1])(
    "of rate %f gives the logits of the same decisions with all resident",
    (rate) => {
      const budgetBytes = 16 * shape.expertBytes;
      const { counts, runs, slotBytes } = runWaves(rate, budgetBytes);
      expect(slotBytes).toBeLessThanOrEqual(budgetBytes);
      expect(counts.low).toBeGreaterThan(10);
      runs.forEach(({ chosenBy, isLow, logits }, i) => {
        const prompt = prompts[i] ?? [];
        // The last layer computes one token here and all of them there: last bits may differ.
        expect(distance(logits, evaluateLow(isLow, prompt))).toBeLessThan(2e-6);
        const hasLow = isLow.flat().includes(true);
        if (hasLow) expect(distance(logits, evaluateLow([], prompt))).toBeGreaterThan(2e-3);
        // The first layer, and the last one's single token, stay in full.
        expect(isLow[0]).not.toContain(true);
        expect(isLow[3]).not.toContain(true);
        for (const layer of [1, 2]) {
          const chosen = chosenBy.get(layer) ?? new Int32Array(0);
          const low = chosen.filter((expert) => isLow[layer]?.[expert]).length;
          expect(low).toBeLessThanOrEqual(rate * chosen.length);
        }
      });
    },
  );

  it("of rate 0 changes no bit and computes nothing in low precision", () => {
    const resident = new ResidentPrompt({ modelPath: small.path, threads: 1, tokensMax: 64 });
    const session = openSession(0, 10 * shape.expertBytes);
    const { machine, mixture, nowMs, stream } = session;
    const waves = new WavePrefill(machine, stream, { nowMs, mixture });
    for (const prompt of prompts) {
      const record = evaluatePrompt(session, waves, resident, prompt);
      expect(record).toMatchObject({ isSame: true, kl: 0, isAgreed: true, lowShare: 0 });
    }
    waves.close();
    session.close();
    resident.close();
  });

  it("lowers the least popular experts that are not there, and no others", () => {
    const mixture = new BatchMixture(shape, 0.5);
    const uses = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3];
    const low = (layer: number, there: number[] = [], experts = uses) => {
      mixture.choose(layer, Int32Array.from(experts), (key) => there.includes(key % 12));
      return [0, 1, 2, 3, 4].filter((expert) => mixture.isLow(layer, expert));
    };
    // Expert 1 is used twice of 12, experts 0 and 3 three times: six at most.
    expect(low(1)).toEqual([0, 1]);
    expect(low(2, [0])).toEqual([1]);
    expect(low(0)).toEqual([]);
    expect(low(1, [], [0, 1])).toEqual([]);
    expect(mixture.keyOf(2, 1)).toBe(2 * 12 + 1 + 48);
    expect(mixture.keyOf(2, 0)).toBe(2 * 12);
  });

  it("shares its budget between both precisions to the byte, down to a slot of each kind", () => {
    const joined = joinLayouts([small.layout, twins.layout]).classes;
    const least = joined.reduce((sum, one) => sum + one.expertBytes, 0);
    for (const rate of [0, 0.3, 1]) {
      for (const budgetBytes of [least, least + 1, 3 * least, 1 << 20, 1 << 24]) {
        const slots = mixedSlots(small.layout, twins.layout, budgetBytes, rate);
        const bytes = slots.map((count, i) => count * (joined[i]?.expertBytes ?? 0));
        expect(slots.every((count) => count >= 1)).toBe(true);
        expect(bytes.reduce((a, b) => a + b)).toBeLessThanOrEqual(budgetBytes);
      }
      const fail = () => mixedSlots(small.layout, twins.layout, least - 1, rate);
      expect(fail).toThrow(
        expect.objectContaining({ failure: expect.objectContaining({ neededBytes: least }) }),
      );
    }
  });

  it("tells in the experiment what it cost", async () => {
    const ctx = new BatchContext(prefill);
    const { summary } = await runExperiment(
      prefill,
      {
        model: small.path,
        promptTokens: [40],
        budgetsMiB: [0.8],
        linksMBps: [0],
        repeats: 2,
        mixture: { rate: 0.6, low: "q2_k" },
      },
      ctx,
    );
    expect(summary).toMatchObject({ lossy: true });
    expect(summary.lowPrecisionRate).toBeGreaterThan(5);
    expect(summary.meanKl).toBeGreaterThan(0);
    expect(summary.maxKl).toBeGreaterThanOrEqual(summary.meanKl as number);
    expect(ctx.points.get("meanKl")?.length).toBe(1);
  });
});
