import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AttemptOrder } from "@fmlab/api/protocol";
import { describe, expect, it } from "vitest";
import { RunnerError } from "../src/errors.ts";
import type { RunEnd } from "../src/sink/run-sink.ts";
import { StreamSink } from "../src/sink/stream-sink.ts";
import { temporaryFolder } from "./fixtures/command.ts";
import { ReferenceServer } from "./fixtures/reference-server.ts";

const fence = { runId: "00000000-0000-4000-8000-000000000001", attemptNumber: 1 };
const machine = {
  cpuModel: "x",
  cpuCount: 1,
  memoryBytes: 1,
  platform: "linux",
  arch: "x64",
  kernel: "6",
  nodeVersion: "v20",
  gpus: [],
};
const code = {
  fmlabVersion: "0",
  gitCommit: null,
  dirty: null,
  diffSha256: null,
  lockfileSha256: null,
};
const reproduction = { machine, code, inputs: [], notes: {} };
const end: RunEnd = {
  state: "SUCCEEDED",
  failure: null,
  summary: { a: 1 },
  fidelity: "simulated",
  reproduction,
  durationMs: 1,
};
const start = { definitionVersion: 1, config: {}, fidelity: "simulated" as const, reproduction };

function sinkOn(server: ReferenceServer) {
  const folder = temporaryFolder();
  const orders: AttemptOrder[] = [];
  const refused: string[] = [];
  const sink = new StreamSink({
    server,
    fence,
    spillFile: join(folder, "spill"),
    onOrder: (order) => orders.push(order),
    onRefused: () => refused.push("refused"),
    onTrouble: () => undefined,
  });
  return { sink, orders, refused, folder };
}

/** Deterministic numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("the stream sink", () => {
  it.each([3, 4])(
    "loses and doubles nothing over a line that fails half the time (%i)",
    async (seed) => {
      const server = new ReferenceServer();
      const random = generator(seed);
      server.fault = () => {
        const x = random();
        return x < 0.25 ? "before" : x < 0.5 ? "after" : "none";
      };
      const { sink, folder } = sinkOn(server);
      sink.start(start);
      const artifact = join(folder, "a");
      writeFileSync(artifact, "abc");
      for (let i = 0; i < 2_500; i++) {
        sink.metrics([{ key: "a", step: i, value: i % 7 === 0 ? null : i, timeMs: i }]);
        sink.log({ timeMs: i, level: "info", text: `line ${i}` });
        if (i % 500 === 0) await server.until(() => true);
        if (i % 900 === 0)
          sink.series("s", { kind: "text", blocks: [{ title: "", prompt: "", text: `${i}` }] });
        sink.progress(i, 2_500, "");
      }
      const sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
      sink.artifact({
        name: "a.txt",
        file: artifact,
        contentType: "text/plain",
        sizeBytes: 3,
        sha256,
      });
      await sink.finish(end);
      const stored = server.attempt(fence);
      const expected = Array.from({ length: 2_500 }, (_, i) => [i, i % 7 === 0 ? null : i]);
      expect(stored.points("a")).toEqual(expected);
      expect(stored.lines()).toEqual(expected.map(([i]) => `line ${i}`));
      expect(stored.series.get("s")?.data).toMatchObject({ blocks: [{ text: "1800" }] });
      expect(stored.artifacts.get("a.txt")?.toString()).toBe("abc");
      expect(stored.progress).toEqual({ done: 2_499, total: 2_500, label: "" });
      expect(stored.finish?.state).toBe("SUCCEEDED");
    },
  );

  it("sends the first point soon and then only a few reports a second", async () => {
    const server = new ReferenceServer();
    const { sink } = sinkOn(server);
    sink.start(start);
    const began = performance.now();
    sink.metrics([{ key: "a", step: 0, value: 1, timeMs: 0 }]);
    await server.until(() => server.attempt(fence).points("a").length === 1);
    expect(performance.now() - began).toBeLessThan(500);
    const callsBefore = server.calls;
    for (let i = 1; i < 100; i++) sink.metrics([{ key: "a", step: i, value: 1, timeMs: 0 }]);
    await sink.finish(end);
    expect(server.calls - callsBefore).toBeLessThanOrEqual(3);
  });

  it("passes on the order to cancel and goes on sending", async () => {
    const server = new ReferenceServer();
    const { sink, orders } = sinkOn(server);
    server.attempt(fence).order = "cancel";
    sink.start(start);
    sink.log({ timeMs: 0, level: "info", text: "bye" });
    await sink.finish({ ...end, state: "CANCELLED" });
    expect(orders[0]).toBe("cancel");
    expect(server.attempt(fence).lines()).toEqual(["bye"]);
    expect(server.attempt(fence).finish?.state).toBe("CANCELLED");
  });

  it("sends nothing more once it is fenced off", async () => {
    const server = new ReferenceServer();
    const { sink, orders } = sinkOn(server);
    server.attempt(fence).order = "stop";
    sink.start(start);
    await server.until(() => server.attempt(fence).started > 0);
    const { calls } = server;
    sink.metrics([{ key: "a", step: 0, value: 1, timeMs: 0 }]);
    await sink.finish(end);
    expect(orders).toEqual(["stop"]);
    expect(server.calls).toBe(calls);
    expect(server.attempt(fence).finish).toBeUndefined();
  });

  it("ends a run as failed whose results the server will not take", async () => {
    const server = new ReferenceServer();
    server.report = () => {
      const refusal = { code: "SERVER_REFUSED", reason: "PAYLOAD_TOO_LARGE" } as const;
      return Promise.reject(new RunnerError("too many metric keys", refusal));
    };
    const { sink, refused } = sinkOn(server);
    sink.start(start);
    sink.metrics([{ key: "a", step: 0, value: 1, timeMs: 0 }]);
    await sink.finish(end);
    expect(refused).toEqual(["refused"]);
    const finish = server.attempt(fence).finish;
    expect(finish?.state).toBe("FAILED");
    expect(finish?.failure?.message).toContain("too many metric keys");
  });

  it("starts an attempt that failed before it began, so that its end is seen", async () => {
    const server = new ReferenceServer();
    const { sink } = sinkOn(server);
    const failure = { code: "MISSING_FILE", message: "no" } as const;
    await sink.finish({ ...end, state: "FAILED", failure });
    expect(server.attempt(fence).started).toBe(1);
    expect(server.attempt(fence).finish?.failure?.code).toBe("MISSING_FILE");
  });
});
