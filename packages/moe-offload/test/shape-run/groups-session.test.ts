import { describe, expect, it } from "vitest";
import type { GroupsJob, GroupsMessage, GroupsRecord } from "../../src/shape-run/groups-job.ts";
import { GroupsSession } from "../../src/shape-run/groups-session.ts";

const JOB: GroupsJob = {
  shape: "olmoe-1b-7b",
  layerCount: 2,
  widthDivisor: 16,
  storage: "F16",
  device: "cpu",
  slots: 40,
  schedules: ["simple-pipeline", "zig-zag", "klotski", "klotski-q"],
  sequencesPerBatch: 2,
  batches: 2,
  loneBatches: 1,
  promptTokens: 5,
  outputTokens: 4,
  texts: 3,
  trainingTokens: 32,
  hotCount: 0,
  linkMBps: 0,
  repeats: 1,
  timelineSteps: 1,
  threads: 1,
  seed: 1,
};
const LAYERS = 2;
const EXPERTS = 64;

function runJob(job: GroupsJob, onMessage: (message: GroupsMessage) => void = () => {}) {
  const session = new GroupsSession(job, new Int32Array(new SharedArrayBuffer(4)), onMessage);
  try {
    return session.run();
  } finally {
    session.close();
  }
}

describe("groups over a shape", () => {
  it("run every schedule over the same routing at equal memory, and say that it is a shape", () => {
    const told: GroupsRecord[] = [];
    const result = runJob(JOB, (message) => {
      if (message.type === "record") told.push(message.record);
    });
    expect(result.label.title).toMatch(/^shape of OLMoE .*random content.*replayed/);
    expect(told.map(({ schedule }) => schedule)).toEqual(JOB.schedules);
    expect(result.records).toEqual(told);
    const [simple, zigZag, klotski, quantised] = result.records;
    // A pass of the simple pipeline brings every expert that its slots do not hold.
    const passes = JOB.outputTokens;
    const least = (LAYERS * EXPERTS - JOB.slots) * passes;
    for (const one of [simple, zigZag]) {
      const loads = (one?.prefill.loads ?? 0) + (one?.decode.loads ?? 0);
      expect(loads).toBeGreaterThanOrEqual(least);
    }
    expect(simple?.sequences).toBe(2);
    expect(klotski?.sequences).toBe(4);
    expect(klotski?.tokens).toBe(4 * JOB.outputTokens);
    expect(klotski?.stepMs).toHaveLength(JOB.outputTokens - 1);
    // Each expert comes once a pass at most, whatever the number of batches.
    expect(klotski?.decode.loads).toBeLessThanOrEqual(LAYERS * EXPERTS * (passes - 1));
    // 16 bits against 18 bytes for 32 weights.
    const bytes = (one?: GroupsRecord) => (one?.prefill.bytes ?? 0) / (one?.prefill.loads ?? 1);
    expect(bytes(klotski)).toBe(result.expertBytes);
    expect(bytes(quantised) / bytes(klotski)).toBeCloseTo(18 / 64, 5);
    expect(result.timeline.events.length).toBeGreaterThan(0);
    expect(result.memory.slotBytes).toBe(JOB.slots * result.expertBytes);
  });

  it("refuse quantised experts where all are of that type", () => {
    const code = (() => {
      try {
        runJob({ ...JOB, storage: "Q4_0" });
      } catch (error) {
        return (error as { code?: string }).code;
      }
      return "nothing was thrown";
    })();
    expect(code).toBe("CONFLICTING_SETTINGS");
  });

  it("stop within a unit when cancelled", () => {
    const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
    const session = new GroupsSession(JOB, cancelFlag, (message) => {
      if (message.type === "progress") Atomics.store(cancelFlag, 0, 1);
    });
    try {
      expect(() => session.run()).toThrow(/cancelled/);
    } finally {
      session.close();
    }
  });
});
