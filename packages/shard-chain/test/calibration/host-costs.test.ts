import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hostCosts } from "../../src/calibration/host-costs.ts";
import { measureHost } from "../../src/calibration/measure-host.ts";
import { EvmRunner } from "../../src/ledger/evm-runner.ts";
import { DEFAULT_COSTS } from "../../src/runtime/costs.ts";

const folder = mkdtempSync(path.join(tmpdir(), "costs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("measureHost", () => {
  it("gives a cost for everything that nodes charge for", async () => {
    const contracts = await EvmRunner.create();
    let reads = 0;
    const costs = measureHost({ nowMs: () => reads++ }, contracts, { batchSize: 2, accounts: 100 });
    await contracts.close();
    for (const operation of Object.keys(DEFAULT_COSTS)) {
      expect(costs, operation).toHaveProperty(operation);
    }
    for (const [operation, ms] of Object.entries(costs)) {
      expect(ms, operation).toBeGreaterThan(0);
    }
  });
});

describe("hostCosts", () => {
  it("reads what was kept, knows when nothing was, and refuses anything else", () => {
    const kept = {
      cpuModel: "a core",
      nodeVersion: "v20",
      measuredOn: "2026-11-24",
      costsMs: { sign: 0.04, verify: 0.1 },
    };
    const file = path.join(folder, "costs.json");
    expect(hostCosts(file)).toBeUndefined();
    expect(hostCosts("")).toBeUndefined();
    writeFileSync(file, JSON.stringify(kept));
    expect(hostCosts(file)).toEqual(kept);
    for (const wrong of ["", "null", "[]", JSON.stringify({ ...kept, costsMs: { sign: "1" } })]) {
      writeFileSync(file, wrong);
      expect(() => hostCosts(file)).toThrow(/fmlab calibrate/);
    }
  });
});
