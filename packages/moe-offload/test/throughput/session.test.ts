import { describe, expect, it } from "vitest";
import type { ScheduleRecord, ThroughputOptions } from "../../src/throughput/messages.ts";
import { ThroughputSession } from "../../src/throughput/throughput-session.ts";
import { withFile } from "../engine/every-way.ts";
import { randomModelFile } from "../engine/random-model.ts";

const MODEL = randomModelFile({
  architecture: "qwen2moe",
  seed: 11,
  layers: 3,
  width: 64,
  heads: 2,
  kvHeads: 2,
  experts: 8,
  used: 2,
  inner: 64,
  sharedInner: 32,
  context: 40,
  ropeBase: 10_000,
  epsilon: 1e-5,
});

function runSession(modelPath: string, options: Partial<ThroughputOptions>) {
  const records: ScheduleRecord[] = [];
  const session = new ThroughputSession(
    {
      modelPath,
      text: "An old man sat at the window and told the same story again.",
      schedules: ["klotski"],
      promptTokens: 6,
      outputTokens: 4,
      sequencesPerBatch: 2,
      batches: 2,
      batchesMax: 4,
      loneBatches: 1,
      budgetBytes: 60_000,
      memoryBytes: 2 ** 28,
      link: { bandwidthMBps: 0, latencyUs: 0, queueDepth: 1 },
      hotCount: 0,
      twin: "q4_0",
      twinFolder: "",
      threads: 1,
      seed: 1,
      compareSequences: 4,
      nearTieGap: 0.5,
      timelineSteps: 1,
      ...options,
    },
    new Int32Array(new SharedArrayBuffer(4)),
    (message) => {
      if (message.type === "schedule") records.push(message.record);
    },
  );
  try {
    return { ...session.run(), records };
  } finally {
    session.close();
  }
}

describe("ThroughputSession", () => {
  it("loads fewer bytes with quantised experts, and tells what they cost", () => {
    withFile(MODEL, (modelPath) => {
      const result = runSession(modelPath, { schedules: ["klotski", "klotski-q"] });
      const [full, quantised] = result.records;
      const bytes = (record?: ScheduleRecord) =>
        record && record.prefill.bytes / record.prefill.loads;
      expect((bytes(quantised) ?? 0) / (bytes(full) ?? 1)).toBeCloseTo(18 / 34, 5);
      expect(result.difference?.positions).toBe(16);
      expect(result.difference?.klMean).toBeLessThan(1e-3);
      expect(result.quantisedDifference?.klMean).toBeGreaterThan(1e-6);
      expect(result.timeline.events.length).toBeGreaterThan(0);
    });
  });

  it("writes the same texts in groups and batch after batch", () => {
    withFile(MODEL, (modelPath) => {
      const shape = { compareSequences: 0, loneBatches: 2 };
      const alone = runSession(modelPath, { ...shape, schedules: ["no-overlap"] });
      const together = runSession(modelPath, { ...shape, schedules: ["zig-zag"] });
      expect(together.texts).toEqual(alone.texts);
      expect(together.texts.length).toBe(4);
    });
  });

  it("refuses what does not fit: context, memory, budget, text", () => {
    withFile(MODEL, (modelPath) => {
      const codeOf = (options: Partial<ThroughputOptions>) => {
        try {
          runSession(modelPath, options);
        } catch (error) {
          return (error as { code?: string }).code;
        }
        return "nothing was thrown";
      };
      expect(codeOf({ promptTokens: 38 })).toBe("CONTEXT_TOO_SMALL");
      expect(codeOf({ memoryBytes: 60_001 })).toBe("GROUP_TOO_LARGE");
      expect(codeOf({ memoryBytes: 90_000, batches: 4 })).toBe("BAD_SETTING");
      expect(codeOf({ budgetBytes: 1000 })).toBe("BUDGET_TOO_SMALL");
      expect(codeOf({ text: "too short" })).toBe("nothing was thrown");
      expect(codeOf({ text: "no" })).toBe("BAD_SETTING");
    });
  });
});
