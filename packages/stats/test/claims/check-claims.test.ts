import { rm } from "node:fs/promises";
import { type Claim, claimSchema, type RunRecord } from "@fmlab/experiment";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkClaims, loadRunFolders, renderVerdicts, type Verdict } from "../../src/index.ts";
import { emptyFolder, type HandmadeRun, writeRun } from "../fixtures/run-folder.ts";

let root: string;
beforeEach(async () => {
  root = await emptyFolder();
});
afterEach(() => rm(root, { recursive: true }));

/** A claim on the ratio lru / demand of the summary's `speed`, with parts exchanged. */
function claimWith(change: object = {}): Claim {
  return claimSchema.parse({
    format: 1,
    title: "LRU is faster",
    statement: "LRU decodes at least 1.2 times as fast.",
    source: { paper: "arXiv:0000.00000", section: "5" },
    provenance: "paper",
    runs: {
      kind: "moe-offload.decode",
      groups: { lru: { config: { policy: "lru" } }, demand: { config: { policy: "on-demand" } } },
    },
    measure: { of: "ratio", left: "lru", right: "demand", quantity: { summary: "speed" } },
    expected: { atLeast: 1.2 },
    ...change,
  });
}

const valueOfLru = { of: "value", group: "lru", quantity: { summary: "speed" } };

async function writeSpeeds(policy: string, speeds: number[], record: Partial<RunRecord> = {}) {
  for (const [i, speed] of speeds.entries()) {
    const run: HandmadeRun = {
      record: { config: { policy, budgetMiB: 8 }, seed: i + 1, ...record },
      summary: { speed, text: `story ${i}`, layers: [{ hitRate: speed / 100 }] },
    };
    await writeRun(root, `${policy}-${record.runId ?? ""}${record.fidelity ?? ""}${i + 1}`, run);
  }
}

async function verdictOf(claim: Claim): Promise<Verdict> {
  const [verdict] = await checkClaims([{ slug: "lru", claim }], await loadRunFolders(root));
  return verdict as Verdict;
}

describe("a ratio paired by seed", () => {
  it("is supported when the whole interval lies in the expected range", async () => {
    await writeSpeeds("lru", [15, 30, 61]);
    await writeSpeeds("on-demand", [10, 20, 40]);
    const verdict = await verdictOf(claimWith());
    // By hand: ratios 1.5, 1.5, 1.525.
    expect(verdict.value).toBeCloseTo((1.5 * 1.5 * 1.525) ** (1 / 3), 12);
    expect(verdict).toMatchObject({
      verdict: "supported",
      n: 3,
      expected: ">= 1.2",
      fidelity: ["emulated"],
      machines: ["Test CPU"],
      missing: [],
    });
    expect(verdict.folders).toHaveLength(6);
    expect(verdict.interval?.low).toBeGreaterThan(1.4);
    expect(verdict.interval?.high).toBeLessThan(1.6);
  });

  it("is contradicted when the interval lies outside", async () => {
    await writeSpeeds("lru", [10.1, 20.2, 40]);
    await writeSpeeds("on-demand", [10, 20, 40]);
    expect(await verdictOf(claimWith())).toMatchObject({ verdict: "contradicted" });
  });

  it("is inconclusive when the interval crosses the edge", async () => {
    await writeSpeeds("lru", [11, 30, 50]);
    await writeSpeeds("on-demand", [10, 20, 40]);
    const verdict = await verdictOf(claimWith());
    expect(verdict.verdict).toBe("inconclusive");
    expect(verdict.reason).toContain("run more seeds");
  });

  it("uses the pairing: the same values without it are inconclusive", async () => {
    await writeSpeeds("lru", [15, 150, 1500]);
    await writeSpeeds("on-demand", [10, 100, 1000]);
    expect(await verdictOf(claimWith())).toMatchObject({ verdict: "supported" });
    const measure = { ...claimWith().measure, pairedBy: "nothing" };
    expect(await verdictOf(claimWith({ measure }))).toMatchObject({ verdict: "inconclusive" });
  });

  it("averages several runs of a seed before anything else", async () => {
    await writeSpeeds("lru", [10, 30, 60]);
    await writeSpeeds("lru", [20, 30, 60], { runId: "00000000-0000-4000-9000-000000000001" });
    await writeSpeeds("on-demand", [10, 20, 40]);
    const verdict = await verdictOf(claimWith());
    expect(verdict).toMatchObject({ verdict: "supported", n: 3 });
    expect(verdict.value).toBeCloseTo(1.5, 12);
  });
});

describe("untested claims", () => {
  it("tell each missing run with the command that makes it, same seeds in both groups", async () => {
    await writeSpeeds("lru", [15, 30], { seed: 7 });
    await writeSpeeds("on-demand", [10]);
    const verdict = await verdictOf(claimWith());
    expect(verdict).toMatchObject({ verdict: "untested", value: null, n: 0 });
    // Seed 1 has demand only, seed 7 lru only; a third seed is new to both.
    expect(verdict.missing.map(({ group, seed }) => [group, seed])).toEqual([
      ["lru", 1],
      ["lru", 0],
      ["demand", 7],
      ["demand", 0],
    ]);
    expect(verdict.missing[0]?.command).toBe(
      "npx --no-install fmlab exec moe-offload.decode " +
        "--set policy=lru --seed 1 --out experiments/lru/lru-seed-1",
    );
  });

  it("become tested when those runs are made", async () => {
    await writeSpeeds("lru", [15]);
    for (const { group, seed } of (await verdictOf(claimWith())).missing) {
      const policy = group === "lru" ? "lru" : "on-demand";
      const config = { policy, budgetMiB: 8 };
      await writeRun(root, `made-${group}-${seed}`, {
        record: { config, seed },
        summary: { speed: group === "lru" ? 15 : 10 },
      });
    }
    expect(await verdictOf(claimWith())).toMatchObject({ verdict: "supported", n: 3 });
  });

  it("ask for presets by name and quote configs for the shell", async () => {
    const DEMAND = { prompts: ["it's"], link: { latencyUs: 5 }, model: "true", on: true };
    const groups = { lru: { preset: "quick" }, demand: { config: DEMAND } };
    const verdict = await verdictOf(
      claimWith({ runs: { kind: "moe-offload.decode", groups, seedsMin: 1 } }),
    );
    expect(verdict.missing.map(({ command }) => command)).toEqual([
      expect.stringContaining("exec moe-offload.decode --preset quick --seed 0 "),
      expect.stringContaining(
        `--set 'prompts=["it'\\''s"]' --set link.latencyUs=5 --set 'model="true"' --set on=true `,
      ),
    ]);
  });
});

describe("runs that do not count", () => {
  it("are failed ones, other fidelities and older definitions; the verdict says so", async () => {
    const measure = valueOfLru;
    await writeSpeeds("lru", [15, 15, 15]);
    await writeSpeeds("lru", [99, 99], { fidelity: "simulated" });
    await writeRun(root, "failed", { record: { state: "FAILED", seed: 9 } });
    expect(await verdictOf(claimWith({ measure }))).toMatchObject({
      value: 15,
      n: 3,
      leftOut: ["lru: 1 FAILED", "lru: 2 simulated"],
    });
    await writeSpeeds("lru", [20, 20, 20], {
      definitionVersion: 2,
      runId: "00000000-0000-4000-9000-000000000002",
    });
    const verdict = await verdictOf(claimWith({ measure }));
    expect(verdict.value).toBe(20);
    expect(verdict.leftOut).toContain("lru: 3 of definition version 1");
  });

  it("are runs of other experiments, even with the same config", async () => {
    await writeSpeeds("lru", [15, 15, 15], { kind: "moe-offload.other" });
    expect(await verdictOf(claimWith({ measure: valueOfLru }))).toMatchObject({
      verdict: "untested",
      folders: [],
    });
  });

  it("make a claim inconclusive when a group mixes configs, and name the fields", async () => {
    await writeSpeeds("lru", [15, 15, 15]);
    await writeRun(root, "wide", {
      record: { config: { policy: "lru", budgetMiB: 16 }, seed: 4 },
      summary: { speed: 30 },
    });
    expect(await verdictOf(claimWith({ measure: valueOfLru }))).toMatchObject({
      verdict: "inconclusive",
      reason: "runs of the group lru differ in budgetMiB; narrow its selector",
      value: null,
    });
  });
});

describe("other measures", () => {
  it("take a value within a relative or an absolute tolerance", async () => {
    await writeSpeeds("lru", [99, 100, 101]);
    const verdict = (expected: object) =>
      verdictOf(claimWith({ measure: valueOfLru, expected })).then((v) => v.verdict);
    expect(await verdict({ value: 100, tolerance: { relative: 0.03 } })).toBe("supported");
    expect(await verdict({ value: 100, tolerance: { absolute: 1 } })).toBe("inconclusive");
    expect(await verdict({ value: 110, tolerance: { relative: 0.05 } })).toBe("contradicted");
    expect(await verdict({ atMost: 103 })).toBe("supported");
  });

  it("take an exact value when nothing varies", async () => {
    await writeSpeeds("lru", [0.1 + 0.2, 0.3, 0.3]);
    const expected = { value: 0.3, tolerance: { absolute: 0 } };
    expect(await verdictOf(claimWith({ measure: valueOfLru, expected }))).toMatchObject({
      verdict: "supported",
    });
  });

  it("divide by another quantity of the same run, from summary, config or metrics", async () => {
    for (const seed of [1, 2, 3]) {
      await writeRun(root, `run-${seed}`, {
        record: { config: { policy: "lru", tokens: 4 }, seed },
        summary: { bytes: 800 },
        points: [
          ["moved", 100],
          ["moved{layer=1}", 7],
          ["moved", null],
          ["moved", 300],
        ],
      });
    }
    const numberOf = async (quantity: object, per?: object) => {
      const measure = { of: "value", group: "lru", quantity, per };
      return (await verdictOf(claimWith({ measure, expected: { atLeast: 0 } }))).value;
    };
    expect(await numberOf({ summary: "bytes" }, { config: "tokens" })).toBe(200);
    expect(await numberOf({ metric: "moved", over: "sum" }, { summary: "bytes" })).toBe(0.5);
    expect(await numberOf({ metric: "moved" })).toBe(200);
    expect(await numberOf({ metric: "moved", over: "last" })).toBe(300);
    expect(await numberOf({ metric: "moved", over: "min" })).toBe(100);
    expect(await numberOf({ metric: "moved", over: "max" })).toBe(300);
    expect(await numberOf({ metric: "moved{layer=1}" })).toBe(7);
  });

  it("take differences, paired and not", async () => {
    await writeSpeeds("lru", [11, 21, 31]);
    await writeSpeeds("on-demand", [10, 20, 30]);
    const measure = { ...claimWith().measure, of: "difference" };
    const expected = { value: 1, tolerance: { absolute: 0 } };
    expect(await verdictOf(claimWith({ measure, expected }))).toMatchObject({
      verdict: "supported",
      value: 1,
    });
    const unpaired = { ...measure, pairedBy: "nothing" };
    expect(await verdictOf(claimWith({ measure: unpaired, expected }))).toMatchObject({
      verdict: "inconclusive",
      value: 1,
    });
  });

  it("judge below three seeds by every single value and give no interval", async () => {
    await writeSpeeds("lru", [10, 12]);
    const runs = { ...claimWith().runs, seedsMin: 2 };
    const verdict = (expected: object) =>
      verdictOf(claimWith({ runs, measure: valueOfLru, expected }));
    expect(await verdict({ atLeast: 9 })).toMatchObject({
      verdict: "supported",
      value: 11,
      interval: null,
      n: 2,
    });
    expect(await verdict({ atLeast: 11 })).toMatchObject({ verdict: "inconclusive" });
    expect(await verdict({ atLeast: 13 })).toMatchObject({ verdict: "contradicted" });
  });

  it("compare texts seed by seed and name the seed that differs", async () => {
    await writeSpeeds("lru", [1, 2, 3]);
    await writeSpeeds("on-demand", [7, 8, 9]);
    const measure = { of: "same", groups: ["lru", "demand"], quantity: { summary: "text" } };
    const claim = claimWith({ measure, expected: { same: true } });
    expect(await verdictOf(claim)).toMatchObject({
      verdict: "supported",
      reason: "equal for all 3 seeds",
      n: 3,
      value: null,
    });
    await writeRun(root, "odd", {
      record: { config: { policy: "lru", budgetMiB: 8 }, seed: 2 },
      summary: { text: "another story" },
    });
    expect(await verdictOf(claim)).toMatchObject({
      verdict: "contradicted",
      reason: "differs for seed 2 of 3 seeds",
    });
  });

  it("fail with the run and the quantity when a run does not have it", async () => {
    await writeSpeeds("lru", [1, 2, 3]);
    const measure = { of: "value", group: "lru", quantity: { summary: "layers.4.hitRate" } };
    await expect(verdictOf(claimWith({ measure }))).rejects.toThrowError(
      "run folder lru-1: layers.4.hitRate is not there",
    );
    const text = { of: "value", group: "lru", quantity: { summary: "text" } };
    await expect(verdictOf(claimWith({ measure: text }))).rejects.toThrowError(
      'text is "story 0", not a finite number',
    );
  });
});

describe("renderVerdicts", () => {
  it("tells claim, verdict, value, interval, seeds, fidelity, runs and missing commands", async () => {
    await writeSpeeds("lru", [15, 30, 60]);
    await writeSpeeds("on-demand", [10, 20, 40]);
    const folders = await loadRunFolders(root);
    const untested = claimWith({ runs: { ...claimWith().runs, kind: "moe-offload.trace" } });
    const text = renderVerdicts(
      await checkClaims(
        [
          { slug: "lru-faster", claim: claimWith({ unit: "x" }) },
          { slug: "traced", claim: untested },
        ],
        folders,
      ),
    );
    const lines = text.split("\n");
    expect(lines[0]).toMatch(/^claim +verdict +value +expected +seeds +fidelity +provenance$/);
    expect(lines[1]).toMatch(
      /^lru-faster +supported +1\.5 \[1\.5, 1\.5\] x +>= 1\.2 +3 +emulated +paper$/,
    );
    expect(lines[2]).toMatch(/^traced +untested +- +>= 1\.2 +0 +- +paper$/);
    expect(text).toContain("  runs: lru-1, lru-2, lru-3, on-demand-1");
    expect(text).toContain("  npx --no-install fmlab exec moe-offload.trace --set policy=lru ");
    expect(renderVerdicts([])).toBe("no claims\n");
  });
});
