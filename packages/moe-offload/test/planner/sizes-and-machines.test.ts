import { openGguf } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { planGroupMode } from "../../src/planner/group-mode.ts";
import { probeMachine } from "../../src/planner/machine-probe.ts";
import {
  limitLink,
  MACHINE_NAMES,
  namedMachine,
  probedMachine,
  transferMs,
} from "../../src/planner/planner-machine.ts";
import { modelFromFile, modelFromShape } from "../../src/planner/planner-model.ts";
import { expertRowsMs, processor, rooflineTimes } from "../../src/planner/roofline.ts";
import { splitWorkload, tokensFrom } from "../../src/planner/workload.ts";
import { wholeMs } from "../../src/replay/compute-times.ts";
import { checkTrace, firstTokens } from "../../src/traces/trace.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { SMALL_SHAPE, smallTrace } from "../traces/small-trace.ts";
import { EXPERT_BYTES, SHAPE, smallSetup, TIMES } from "./small-setup.ts";

describe("sizes of a model", () => {
  it("of a file add up to the file, header and padding aside", () => {
    const file = openGguf(SHIPPED_MODEL);
    const description = describeModel(file);
    const model = modelFromFile(file, description, expertLayout(file, description));
    file.close();
    let tensors = 0;
    for (const { sizeBytes } of file.tensors.values()) tensors += sizeBytes;
    expect(model.allExpertBytes + model.dense.all).toBe(tensors);
    expect(model.allExpertBytes).toBe(256 * 104_448);
    const { attention, shared, head } = model.dense;
    expect(8 * (attention + shared) + head).toBeLessThan(model.dense.all);
    // 8 layers, keys and values of F16.
    const { headCountKv, headLength } = description;
    expect(model.kvBytesPerToken).toBe(8 * 2 * headCountKv * headLength * 2);
  });

  it.each([
    // Survey, section 5.6: experts, MB of one in F16.
    ["mixtral-8x7b", 32 * 8, 352, 46.7],
    ["mixtral-8x22b", 56 * 8, 604, 141],
    ["qwen1.5-moe-a2.7b", 24 * 60, 17.3, 14.3],
    ["deepseek-moe-16b", 27 * 64, 17.3, 16.4],
    ["deepseek-v2-lite", 26 * 64, 17.3, 15.7],
    ["olmoe-1b-7b", 16 * 64, 12.6, 6.9],
    ["qwen3-30b-a3b", 48 * 128, 9.4, 30.5],
  ] as const)("of %s are the published ones", (name, experts, expertMb, billions) => {
    const model = modelFromShape(name, "F16");
    const bytes = model.expertBytes(model.shape.moeLayers[0] ?? 0);
    expect(bytes / 1e6).toBeCloseTo(expertMb, 0);
    expect(model.allExpertBytes).toBe(experts * bytes);
    // All weights in F16: parameters times two, as the model cards count them, within 2 %.
    const parameters = (model.allExpertBytes + model.dense.all) / 2e9;
    expect(Math.abs(parameters / billions - 1)).toBeLessThan(0.02);
  });
});

describe("a machine", () => {
  const model = modelFromShape("olmoe-1b-7b", "Q4_0");
  const own = { times: rooflineTimes(model, processor(1e4, "test")).times, source: "test" };

  it("of each name has a link, times for every layer, and says where they are from", () => {
    for (const name of MACHINE_NAMES) {
      const machine = namedMachine(name, model, own);
      expect(machine.link.bandwidthMBps).toBeGreaterThan(0);
      expect(machine.times.layers).toHaveLength(16);
      expect(machine.assumptions.length).toBeGreaterThan(1);
      expect(machine.times === own.times).toBe(machine.fastMemoryBytes === undefined);
    }
  });

  it("with too little host memory has the disk below it", () => {
    const large = modelFromShape("mixtral-8x22b", "F16");
    expect(namedMachine("gtx1080ti", large, own).host?.disk.bandwidthMBps).toBe(3500);
    expect(namedMachine("h800-pcie5", large, own).host).toBeUndefined();
  });

  it("computes as a paper measured where one did, so that its layers take the paper's time", () => {
    const qwen = modelFromShape("qwen1.5-moe-a2.7b", "Q4_0");
    const { times } = namedMachine("rtx3090-pcie3", qwen, own);
    const layerMs = times.layers.reduce((sum, one) => sum + one.attentionMs + wholeMs(one), 0);
    expect(1e3 / layerMs).toBeCloseTo(14, 6);
  });

  it("that only reads weights takes bytes over rate", () => {
    const { times } = rooflineTimes(model, processor(10_000, "test"));
    const bytes = model.expertBytes(0);
    expect(times.layers[0]?.expertsMs[3]).toBeCloseTo((3 * bytes) / (10_000e3 * 0.6), 9);
    // 100 GFLOP/s: from so many rows on products take longer than reading.
    const device = processor(10_000, "test");
    const rows = (10 * bytes * 100e6) / (2 * model.expertWeights * 10_000e3);
    expect(expertRowsMs(bytes, model.expertWeights, device, 1)).toBeLessThan(
      expertRowsMs(bytes, model.expertWeights, device, rows) / 5,
    );
  });

  it("has the slower of its link and the limit imposed on it", () => {
    const fast = { bandwidthMBps: 1000, latencyUs: 0, queueDepth: 1 };
    const slow = { bandwidthMBps: 100, latencyUs: 5, queueDepth: 4 };
    const none = { bandwidthMBps: 0, latencyUs: 0, queueDepth: 2 };
    expect(limitLink(fast, slow, 1e6)).toEqual(slow);
    expect(limitLink(slow, fast, 1e6)).toEqual(slow);
    expect(limitLink(fast, none, 1e6)).toEqual({ ...fast, queueDepth: 2 });
    expect(limitLink(none, fast, 1e6)).toEqual(fast);
    expect(transferMs(slow, 1e6)).toBeCloseTo(10.005, 9);
  });
});

describe("a probe of this machine", () => {
  it("divides the bytes by the clock's time, whatever the clock", () => {
    const file = openGguf(SHIPPED_MODEL);
    const layout = expertLayout(file, describeModel(file));
    let now = 0;
    const probe = probeMachine(layout, () => now++);
    file.close();
    // Each reading of the clock is 1 ms after the last: short and whole reads take 1 ms each, of
    // which delay is at most 90 %.
    expect(probe.expertsRead).toBe(64);
    expect(probe.disk.latencyUs).toBeCloseTo(900, 6);
    expect(probe.disk.bandwidthMBps).toBeCloseTo(104_448 / 0.1 / 1e3, 6);
    expect(probe.copy.bandwidthMBps).toBeCloseTo(104_448 / 1e3, 6);
    const model = modelFromShape("olmoe-1b-7b", "Q4_0");
    const limit = { bandwidthMBps: 0, latencyUs: 0, queueDepth: 1 };
    const times = rooflineTimes(model, processor(1e4, "test")).times;
    const behind = probedMachine(model, probe, times, { limit, hostBytes: 1e9 });
    expect(behind.link).toEqual(probe.copy);
    expect(behind.host?.disk).toEqual(probe.disk);
    expect(probedMachine(model, probe, times, { limit, hostBytes: 0 }).link).toEqual(probe.disk);
  });
});

describe("a workload", () => {
  it("measures on the tokens after those that were learned from", () => {
    const trace = smallTrace({ tokens: 24 });
    const { calibration, trace: rest, warmupTokens } = splitWorkload(trace, 8);
    expect(calibration.tokenCount).toBe(8);
    expect(rest.tokenCount).toBe(16);
    expect(warmupTokens).toBe(2);
    checkTrace(rest, "rest");
    const both = [...firstTokens(trace, 8).experts, ...rest.experts];
    expect(both).toEqual([...trace.experts]);
    expect(tokensFrom(trace, 0)).toEqual(trace);
    expect(() => splitWorkload(trace, 23)).toThrow("23 of which are learned from");
    expect(() => splitWorkload(trace, 0)).toThrow("0 of which are learned from");
    expect(rest.shape).toBe(SMALL_SHAPE);
  });
});

describe("groups of batches", () => {
  const setup = smallSetup(1);
  const request = {
    sequencesPerBatch: 2,
    contextTokens: 10,
    batchBytes: 2 * 10 * 1000,
    sequences: 2000,
    memoryBytes: 1e9,
    expertNs: 1e5,
    expertRowNs: 2e4,
  };

  it("are the smallest that hide every transfer: one fewer does not", () => {
    const group = planGroupMode(setup, request);
    const expertMs = transferMs(setup.machine.link, EXPERT_BYTES);
    const attentionMs = 2 * (0.3 + 0.07);
    const n = group?.plan.batches ?? 0;
    // Inequality (5), the paper's: n attention blocks hide the hot experts.
    expect(n * attentionMs).toBeGreaterThanOrEqual(2 * expertMs - 1e-6);
    const holds = group?.plan.inequalities.map((one) => one.holds);
    expect(holds).toEqual([true, true, true, true]);
    const fewer = planGroupMode(setup, { ...request, sequences: 2 * (n - 1) });
    expect(n).toBeGreaterThan(1);
    expect(fewer?.plan.inequalities.some((one) => !one.holds)).toBe(true);
    expect(fewer?.plan.boundBy).toBe("limit");
  });

  it("are one when nothing has to be hidden, and none when not even one fits", () => {
    const free = { link: { bandwidthMBps: 0, latencyUs: 0, queueDepth: 1 } };
    expect(planGroupMode(smallSetup(1, free), request)?.plan.batches).toBe(1);
    const slots = 2 * SHAPE.expertCount * EXPERT_BYTES;
    expect(planGroupMode(setup, { ...request, memoryBytes: slots })).toBeUndefined();
    // One batch: two sequences of ten tokens.
    const one = planGroupMode(setup, { ...request, memoryBytes: slots + 20_000 });
    expect(one?.plan.batches).toBe(1);
    expect(one?.plan.boundBy).toBe("memory");
  });

  it("give together no more than computing all rows would allow", () => {
    const group = planGroupMode(setup, request);
    const rowsMs = (2 * request.expertRowNs) / 1e6;
    const leastMs = 3 * (0.37 + rowsMs) + TIMES.headMs;
    expect(group?.tokensPerSecondMax).toBeLessThan(1e3 / leastMs);
    expect(group?.tokensPerSecondMax).toBeGreaterThan(0);
  });
});
