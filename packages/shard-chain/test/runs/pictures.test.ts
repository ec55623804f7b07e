import { parseConfig, type SeriesInput, seriesSchema } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { OverTime } from "../../src/cluster-run/over-time.ts";
import { saturation } from "../../src/definitions/saturation.ts";
import { throughput } from "../../src/definitions/throughput.ts";
import { sideBySide } from "../../src/throughput-run/side-by-side.ts";
import { RecordContext } from "./record-context.ts";

describe("two runs side by side", () => {
  const line = (name: string, x: number[], y: number[]): SeriesInput => ({
    kind: "line",
    xLabel: "",
    yLabel: "",
    x,
    curves: [{ name, y }],
  });

  it("draws steps over both x axes", () => {
    const both = sideBySide(line("a", [1, 3], [0.5, 1]), line("b", [2], [1]), ["a", "b"]);
    expect(both).toMatchObject({
      x: [1, 2, 3],
      curves: [
        { name: "a", y: [0.5, 0.5, 1] },
        { name: "b", y: [0, 1, 1] },
      ],
    });
  });

  it("puts lanes of one name next to each other, with their own events", () => {
    const timeline = (lanes: string[], startMs: number): SeriesInput => ({
      kind: "timeline",
      lanes,
      events: [{ lane: 1, startMs, endMs: startMs + 1, label: "", category: "" }],
      note: `from ${startMs}`,
    });
    const [one, other] = [timeline(["x", "y"], 1), timeline(["z", "y"], 7)];
    expect(sideBySide(one, other, ["a", "b"])).toMatchObject({
      lanes: ["x, a", "y, a", "y, b", "z, b"],
      events: [
        { lane: 1, startMs: 1 },
        { lane: 2, startMs: 7 },
      ],
      note: "from 1; from 7",
    });
  });

  it("runs the same transactions through both protocols", async () => {
    const ctx = new RecordContext(throughput, undefined, 1);
    const { run } = await throughput.load();
    const small = { shards: 2, transactions: 40, tps: 40, blockIntervalMs: 300, warmupShare: 0 };
    const config = { ...small, protocol: "byshard-linear-write", versus: "ahl" };
    const summary = await run(ctx, parseConfig(throughput, config));
    const alone = new RecordContext(throughput, undefined, 1);
    const ahl = await run(alone, parseConfig(throughput, { ...small, protocol: "ahl" }));
    expect(summary.versus).toMatchObject({ traceHash: ahl.traceHash });
    expect(ctx.points.get("latencyMsP50 ahl")).toBe(alone.points.get("latencyMsP50"));
    expect(ctx.pictures.get("criticalPath")).toMatchObject({
      categories: ["byshard-linear-write", "ahl"],
    });
    const { lanes } = ctx.pictures.get("sequence") as { lanes: string[] };
    const [first] = lanes;
    expect(lanes).toContain(first?.replace(", byshard-linear-write", ", ahl"));
  });
});

describe("load over time", () => {
  it("shows who was down, where anybody was", async () => {
    const small = { shards: 2, transactions: 40, tps: 10, blockIntervalMs: 300 };
    const curvesOf = async (crashedValidators: number) => {
      const ctx = new RecordContext(throughput, undefined, 1);
      const { run } = await throughput.load();
      await run(ctx, parseConfig(throughput, { ...small, crashedValidators }));
      const drawn = seriesSchema.parse(ctx.pictures.get("overTime"));
      return drawn.kind === "line" ? drawn.curves : [];
    };
    expect((await curvesOf(0)).map(({ name }) => name)).toEqual(["sent", "ended", "in flight"]);
    const [, , , down] = await curvesOf(1);
    // One of each shard stops after three seconds.
    expect(down).toMatchObject({ name: "validators down" });
    expect(down?.y.slice(0, 4)).toEqual([0, 0, 2, 2]);
  });
});

describe("the lock graph", () => {
  it("shows at the fullest moment who waits for whom", async () => {
    const ctx = new RecordContext(throughput, undefined, 2);
    const { run } = await throughput.load();
    const wanted = { workload: "ycsb", accounts: 4, transactions: 40, tps: 40, shards: 2 };
    await run(ctx, parseConfig(throughput, { ...wanted, warmupShare: 0 }));
    const graph = ctx.pictures.get("lockGraph") as { rows: string[]; values: number[][] };
    expect(graph.rows.length).toBeGreaterThan(1);
    for (const row of graph.values) expect(Math.max(...row)).toBeGreaterThan(0);
  });
});

describe("sweeps", () => {
  it("compares protocols over the share of cross-shard transactions", async () => {
    const ctx = new RecordContext(saturation, undefined, 1);
    const { run } = await saturation.load();
    const small = { shardCounts: [2], blockItems: 30, blockIntervalMs: 500, seconds: 5 };
    const search = { startTps: 30, maxTps: 120, precision: 0.5 };
    const config = { ...small, ...search, protocols: ["relay"], crossShares: [0, 1] };
    await run(ctx, parseConfig(saturation, config));
    const drawn = seriesSchema.parse(ctx.pictures.get("byCrossShare"));
    const [within = 0, across = 0] = drawn.kind === "line" ? (drawn.curves[0]?.y ?? []) : [];
    // A relayed transaction takes up room on two shards.
    expect(within).toBeGreaterThan(across ?? 0);
    const bad = parseConfig(saturation, { ...config, workload: "ycsb" });
    await expect(run(ctx, bad)).rejects.toThrow(/only generated transactions/);
  });
});

describe("a cluster over time", () => {
  it("shows what ended while validators were gone", () => {
    let nowMs = 0;
    let ended = 0;
    const arrivals = Array.from({ length: 12 }, () => ({}) as never);
    const overTime = new OverTime({
      nowMs: () => nowMs,
      arrivals,
      get inFlightCount() {
        return arrivals.length - ended;
      },
    });
    for (const [atMs, count] of [
      [0, 0],
      [500, 1],
      [1_000, 4],
      [3_000, 8],
    ] as const) {
      nowMs = atMs;
      ended = count;
      overTime.look();
    }
    const spans = [{ node: 1, what: "killed", startMs: 900, endMs: 2_000 }] as const;
    expect(overTime.series(spans)).toMatchObject({
      x: [1, 3],
      curves: [
        { name: "sent", y: [0, 0] },
        { name: "ended", y: [4, 2] },
        { name: "validators killed", y: [1, 0] },
        { name: "validators catching up", y: [0, 0] },
        { name: "validators cut off", y: [0, 0] },
      ],
    });
  });
});
