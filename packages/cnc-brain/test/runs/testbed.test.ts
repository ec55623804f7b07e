import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { timekeeper } from "../../src/adapters/timekeeper.ts";
import { testbed, testbedConfig } from "../../src/definitions/testbed.ts";
import { fixedRttNetwork } from "../../src/network/network.ts";
import { PLAIN_FUNCTION } from "../../src/simulator/specs.ts";
import { TraceDriver } from "../../src/testbed-run/drive.ts";
import { predict } from "../../src/testbed-run/predict.ts";
import { run } from "../../src/testbed-run/run.ts";
import { TestbedNode } from "../../src/testbed-run/testbed-node.ts";
import { busiestOf, planTestbed, testbedNodes } from "../../src/testbed-run/testbed-plan.ts";
import { traceOfRows } from "../../src/traces/invocation-trace.ts";
import type { Workload } from "../../src/workload/workload.ts";
import { workOf } from "../../src/workload/workload.ts";
import { RecordContext } from "./record-context.ts";

const time = timekeeper(
  () => performance.now(),
  () => Date.now(),
);

/** A run's context on this machine's clock. */
class MeasuredContext extends RecordContext {
  override nowMs(): number {
    return performance.now();
  }
}

const network = fixedRttNetwork(["a", "b"], 30);

function workload(): Workload {
  const prng = createPrng(4, "workload");
  const functions = ["busy", "calm", "tiny"].map((name, i) => ({
    ...PLAIN_FUNCTION,
    name: `${name}/${i}`,
    meanDurationMs: i === 2 ? 1 : 400,
  }));
  const rows = Array.from({ length: 900 }, (_, i) => ({
    functionIndex: [0, 0, 1, 2][i % 4] as number,
    arrivalMs: prng.nextFloat() * 600_000,
    durationMs: i % 4 === 3 ? 1 : prng.exponential(400),
    site: prng.nextInt(2),
  }));
  return { functions, trace: traceOfRows(rows), spanMs: 600_000, notes: [] };
}

describe("the testbed's plan", () => {
  it("keeps the busiest functions that are long enough, at the load asked for", () => {
    const nodes = testbedNodes(3, 0.5, network);
    const want = { functions: 2, shortestMs: 100, load: 0.4, requestsMax: 100_000 };
    const chosen = busiestOf(workload(), nodes, want, createPrng(1));
    expect(chosen.functions.map(({ name }) => name)).toEqual(["busy/0", "calm/1"]);
    const spanMs = chosen.trace.arrivalMs.at(-1) ?? 0;
    // Nodes of speeds 1, 0.5 and 0.5; thinning is random.
    expect(workOf(chosen) / (2 * spanMs)).toBeGreaterThan(0.35);
    expect(workOf(chosen) / (2 * spanMs)).toBeLessThan(0.45);
    const cut = busiestOf(workload(), nodes, { ...want, requestsMax: 50 }, createPrng(1));
    expect(cut.trace.count).toBe(50);
    expect(() => busiestOf(workload(), nodes, { ...want, shortestMs: 1e6 }, createPrng(1))).toThrow(
      /lower speed-up/,
    );
  });

  it("speeds up everything but round trips", () => {
    const settings = { nodes: 2, edgeSpeed: 0.5, speedUp: 10, keepMinutes: 1, cpuShare: 0.1 };
    const plan = planTestbed(workload(), network, settings);
    const { trace } = workload();
    expect(plan.trace.arrivalMs[7]).toBeCloseTo((trace.arrivalMs[7] as number) / 10, 9);
    expect(plan.trace.durationMs[7]).toBeCloseTo((trace.durationMs[7] as number) / 10, 9);
    expect([plan.keepMs, plan.network.rttMs(0, 1)]).toEqual([6000, 30]);
    expect(plan.functions[0]?.name).toBe("busy-0");
  });
});

describe("the testbed", () => {
  it("runs every request as real work on a real process behind the injected latency", async () => {
    const settings = { nodes: 2, edgeSpeed: 0.5, speedUp: 1, keepMinutes: 1, cpuShare: 0.05 };
    const rows = Array.from({ length: 10 }, (_, i) => ({
      functionIndex: 0,
      arrivalMs: 25 * i,
      durationMs: 20,
      site: i % 2,
    }));
    const functions = [{ ...PLAIN_FUNCTION, name: "burn", meanDurationMs: 20 }];
    const made = { functions, trace: traceOfRows(rows), spanMs: 250, notes: [] };
    const plan = planTestbed(made, network, settings);
    const nodes = plan.nodes.map(() => new TestbedNode(time));
    try {
      for (const node of nodes) await node.start(["burn"], plan.keepMs);
      const measured = await new TraceDriver({
        plan,
        nodes,
        policy: "round-robin",
        prng: createPrng(1),
        time,
        signal: new AbortController().signal,
        onProgress: () => {},
      }).run();
      expect(measured.failures).toEqual([]);
      const calibration = { coldStartMs: 0, overheadMs: 0, stretch: 1 };
      const predicted = predict(plan, calibration, "round-robin", createPrng(1));
      // Each choice alone by the order of arrivals: the same nodes, and one start on each.
      expect([...measured.node]).toEqual([...predicted.node]);
      expect(measured.isCold.reduce((sum, flag) => sum + flag, 0)).toBeGreaterThanOrEqual(2);
      rows.forEach(({ site }, id) => {
        const node = measured.node[id] as number;
        const rttMs = site === node ? 0 : 30;
        const workMs = node === 0 ? 20 : 40;
        // Timers may fire up to a millisecond early.
        expect(measured.responseMs[id]).toBeGreaterThan(rttMs + workMs - 2);
      });
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
  });

  it("tells measured and predicted quantiles and their ratios", async () => {
    const ctx = new MeasuredContext(testbed, undefined);
    const config = testbedConfig.parse({
      nodes: 2,
      requestsMax: 10,
      busiest: 1,
      speedUp: 60,
      durationSecondsMax: 4,
      load: 0.5,
      cpuShare: 0.03,
      calibrationRounds: 1,
      schedulers: ["least-connections"],
    });
    const summary = (await run(ctx, config)) as Record<string, number>;
    const { measuredP50Ms = 0, predictedP50Ms = 0, failures } = summary;
    expect(failures).toBe(0);
    expect(measuredP50Ms).toBeGreaterThan(0);
    expect(summary.ratioP50).toBeCloseTo(measuredP50Ms / predictedP50Ms, 9);
    expect([...ctx.pictures.keys()].sort()).toEqual([
      "assumptions",
      "policies",
      "quantiles",
      "requests",
    ]);
    expect(ctx.points.get("ratioP95 least-connections")).toBeGreaterThan(0);
  });
});
