import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { ScaleObservation } from "../../src/autoscale/autoscaler.ts";
import { horizontalPodAutoscaler, hpaReplicas } from "../../src/autoscale/hpa.ts";
import { evaluateKpa, KPA_DEFAULTS, knativePodAutoscaler } from "../../src/autoscale/kpa.ts";
import { AUTOSCALER_NAMES } from "../../src/autoscale/names.ts";
import { openFaasAutoscaler, openFaasReplicas } from "../../src/autoscale/openfaas.ts";
import { createAutoscaler } from "../../src/autoscale/registry.ts";
import { simulateReplicas } from "../../src/autoscale/replica-simulation.ts";
import { poissonTrace } from "../simulator/workloads.ts";

const seen = (fields: Partial<ScaleObservation>): ScaleObservation => ({
  nowMs: 0,
  ready: 1,
  wanted: 1,
  concurrency: 0,
  ratePerSecond: 0,
  utilisation: 0,
  ...fields,
});

describe("Knative's autoscaler", () => {
  it("has the vector of the paper notes, section 9: panic, 8 replicas", () => {
    const options = { ...KPA_DEFAULTS, target: 10 * 0.7 };
    const found = evaluateKpa({ stable: 50, panic: 50 }, 3, options);
    expect(found).toEqual({ stable: 8, panic: 8, isOverPanicThreshold: true });
    const kpa = knativePodAutoscaler({ target: 7 });
    expect(kpa.desired(seen({ ready: 3, concurrency: 50 }))).toBe(8);
  });

  it("bounds its steps by the rates: at most half down, at most a thousand times up", () => {
    expect(evaluateKpa({ stable: 1, panic: 1 }, 10, KPA_DEFAULTS).stable).toBe(5);
    const slow = { ...KPA_DEFAULTS, maxScaleUpRate: 2, target: 1 };
    expect(evaluateKpa({ stable: 100, panic: 100 }, 3, slow).stable).toBe(6);
  });

  it("never scales down in panic, and leaves it a stable window after the last cause", () => {
    const kpa = knativePodAutoscaler({ target: 1 });
    const at = (nowMs: number, concurrency: number, ready: number) =>
      kpa.desired(seen({ nowMs, concurrency, ready }));
    expect(at(2000, 10, 2)).toBe(10);
    for (let t = 4000; t <= 62_000; t += 2000) expect(at(t, 0.5, 10)).toBe(10);
    expect(at(64_000, 0.5, 10)).toBe(5);
  });

  it("goes to zero only after the grace", () => {
    const kpa = knativePodAutoscaler();
    const wishes = Array.from({ length: 20 }, (_, i) => kpa.desired(seen({ nowMs: i * 2000 })));
    expect(wishes.indexOf(0)).toBe(15);
  });
});

describe("the Horizontal Pod Autoscaler", () => {
  it("has the documented examples: 200m for 100m doubles, 50m halves, within 10 % nothing", () => {
    expect(hpaReplicas(4, 200, 100)).toBe(8);
    expect(hpaReplicas(4, 50, 100)).toBe(2);
    expect(hpaReplicas(4, 109, 100)).toBe(4);
  });

  it("waits five minutes before it goes down, and up by at most four or double", () => {
    const hpa = horizontalPodAutoscaler();
    const up = hpa.desired(seen({ ready: 10, wanted: 10, utilisation: 5 }));
    expect(up).toBe(20);
    expect(horizontalPodAutoscaler().desired(seen({ utilisation: 5 }))).toBe(5);
    const down = horizontalPodAutoscaler();
    down.desired(seen({ nowMs: 0, ready: 8, wanted: 8, utilisation: 0.5 }));
    const idle = { ready: 8, wanted: 8, utilisation: 0.1 };
    expect(down.desired(seen({ ...idle, nowMs: 285_000 }))).toBe(8);
    expect(down.desired(seen({ ...idle, nowMs: 300_000 }))).toBe(2);
  });
});

describe("OpenFaaS' rule", () => {
  it("steps by a tenth of the maximum while the alert fires, and falls to the minimum", () => {
    const range = { min: 1, max: 20, factor: 20 };
    expect(openFaasReplicas(1, true, range)).toBe(5);
    expect(openFaasReplicas(18, true, range)).toBe(20);
    expect(openFaasReplicas(18, false, range)).toBe(1);
    const scaler = openFaasAutoscaler();
    expect(scaler.desired(seen({ nowMs: 5000, ratePerSecond: 6, wanted: 2 }))).toBe(3);
    expect(scaler.desired(seen({ nowMs: 10_000, ratePerSecond: 1, wanted: 3 }))).toBe(1);
  });
});

describe("a function behind an autoscaler", () => {
  const trace = poissonTrace(createPrng(1), 4000, 10, (p) => p.exponential(25));

  it("with a constant number of replicas is the queue of that many servers", () => {
    const constant = { name: "constant", tickMs: 1000, desired: () => 4 };
    const result = simulateReplicas({
      ...trace,
      autoscaler: constant,
      concurrency: 1,
      startMs: 0,
      replicasMax: 10,
      initialReplicas: 4,
    });
    const freeAtMs = [0, 0, 0, 0];
    trace.arrivalMs.forEach((at, i) => {
      const first = Math.min(...freeAtMs);
      const end = Math.max(at, first) + (trace.durationMs[i] as number);
      freeAtMs[freeAtMs.indexOf(first)] = end;
      expect(Math.abs((result.responseMs[i] as number) - (end - at))).toBeLessThan(1e-6);
    });
    const lastMs = Math.max(...freeAtMs);
    expect(result.replicaSeconds).toBeCloseTo((4 * lastMs) / 1000, 6);
    expect(result.changes).toBe(0);
  });

  it.each(AUTOSCALER_NAMES)("answers everything under %s", (name) => {
    const result = simulateReplicas({
      ...trace,
      autoscaler: createAutoscaler(name),
      concurrency: 2,
      startMs: 500,
      replicasMax: 5,
      initialReplicas: 0,
    });
    expect(result.responseMs.every((ms) => ms > 0)).toBe(true);
    expect(result.replicasMost).toBeLessThanOrEqual(5);
  });
});
