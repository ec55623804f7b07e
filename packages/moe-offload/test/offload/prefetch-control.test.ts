import { describe, expect, it } from "vitest";
import { AdaptivePrefetch, FatePrefetch } from "../../src/offload/prefetch-control.ts";

const layer = (totalMs: number, windowMs: number, stallMs = 0, hadDemand = true) => ({
  layer: 0,
  totalMs,
  stallMs,
  windowMs,
  hadDemand,
});

describe("Fate's prefetch control", () => {
  it("loads floor(layer time / transfer time) candidates, stalls not counted", () => {
    const control = new FatePrefetch(8);
    expect(control.wants(1, 0)).toBe(false);
    control.onLayer(layer(4, 1, 1));
    control.onTransfer(0.43);
    // (4 - 1) / 0.43 = 6.98
    expect(control.width).toBe(6);
    expect(control.wants(1, 5)).toBe(true);
    expect(control.wants(1, 6)).toBe(false);
  });

  it("switches itself off when a transfer takes longer than a layer", () => {
    const control = new FatePrefetch(8);
    control.onLayer(layer(0.078, 0.05));
    control.onTransfer(0.26);
    expect(control.width).toBe(0);
  });
});

describe("adaptive prefetch control", () => {
  /** Outcomes until the measured precision is about `right`. */
  function measured(right: number, windowMs: number, transferMs: number, hadDemand = true) {
    const control = new AdaptivePrefetch(2, 1);
    for (let i = 0; i < 4000; i++) {
      control.onLayer(layer(windowMs, windowMs, 0, hadDemand));
      control.onLayer({ ...layer(windowMs, windowMs, 0, hadDemand), layer: 1 });
      control.onTransfer(transferMs);
      control.onOutcome(1, Uint8Array.of(Math.floor((i + 1) * right) - Math.floor(i * right)), 1);
    }
    return control;
  }

  it("knows nothing at first and does nothing", () => {
    expect(new AdaptivePrefetch(2, 4).wants(1, 0, 0)).toBe(false);
  });

  it("loads what fits into the window whatever its precision", () => {
    expect(measured(0.1, 1, 0.5).wants(1, 0, 0)).toBe(true);
    expect(measured(0.1, 1, 0.5).wants(1, 0, 1)).toBe(true);
    expect(measured(0.9, 1, 0.5).wants(1, 0, 2)).toBe(false);
  });

  it("begins a transfer that outlasts the window only when it is right often enough", () => {
    // Right: saves the window of 0.1; wrong: delays by 0.9 - 0.1. Breaks even at 8 / 9.
    expect(measured(0.85, 0.1, 0.9).wants(1, 0, 0)).toBe(false);
    expect(measured(0.93, 0.1, 0.9).wants(1, 0, 0)).toBe(true);
  });

  it("takes a delay lightly where nothing is demanded", () => {
    expect(measured(0.3, 0.1, 0.9, false).wants(1, 0, 0)).toBe(true);
  });

  it("switches itself on again when predictions become right", () => {
    const control = measured(0.5, 0.1, 0.9);
    expect(control.wants(1, 0, 0)).toBe(false);
    for (let i = 0; i < 600; i++) control.onOutcome(1, Uint8Array.of(1), 1);
    expect(control.wants(1, 0, 0)).toBe(true);
  });
});
