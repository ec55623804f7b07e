import { describe, expect, it } from "vitest";
import { toCurves } from "../src/features/run/metric-curves.ts";
import { groupMetrics, splitMetricKey } from "../src/features/run/metric-groups.ts";
import { alignCurves } from "../src/ui/charts/align-curves.ts";
import { curveStyles } from "../src/ui/charts/chart-options.ts";
import { scaleColor } from "../src/ui/charts/palette.ts";
import {
  cellAt,
  heatmapLayout,
  moveCell,
  shareOf,
  valueRange,
} from "../src/ui/series/heatmap-layout.ts";
import { tableCsv } from "../src/ui/series/table-csv.ts";
import {
  eventAt,
  fullSpan,
  lanesOf,
  panSpan,
  spanAround,
  timeText,
  timeUnit,
  zoomSpan,
} from "../src/ui/series/timeline-layout.ts";

describe("curves on one axis", () => {
  it("keep their own gaps apart from where another curve has a point", () => {
    const aligned = alignCurves([
      { name: "a", x: [0, 2], y: [1, null] },
      { name: "b", x: [1, 2], y: [5, 6], band: { min: [4, 5], max: [6, 7] } },
    ]);
    expect(aligned.x).toEqual([0, 1, 2]);
    expect(aligned.y).toEqual([
      [1, undefined, null],
      [undefined, 5, 6],
    ]);
    expect(aligned.max[1]).toEqual([undefined, 6, 7]);
  });

  it("carry a band exactly when their points were bucketed", () => {
    const points = [{ x: 0, last: 2, min: 1, max: 3, n: 9 }];
    const [raw, bucketed] = toCurves(
      [
        { key: "t", n: 1, raw: true, points },
        { key: "t{layer=1}", n: 9, raw: false, points },
      ],
      "Time",
    );
    expect(raw).toEqual({ name: "all", x: [0], y: [2] });
    expect(bucketed).toMatchObject({ name: "layer=1", band: { min: [1], max: [3] } });
  });
});

describe("colours of curves", () => {
  const dashesOf = (names: string[]) => curveStyles(names, false).map(({ dash }) => dash);

  it("follow a scale for steps of one thing, else tell each from the others", () => {
    const layers = Array.from({ length: 9 }, (_, i) => `layer ${i}`);
    expect(new Set(dashesOf(layers))).toEqual(new Set([undefined]));
    const validators = layers.map((_, i) => `shard-${Math.floor(i / 4)}/${i % 4}`);
    const looks = curveStyles(validators, false).map(({ stroke, dash }) => `${stroke} ${dash}`);
    expect(new Set(looks).size).toBe(9);
    expect(dashesOf(validators).slice(7)).toEqual([
      [6, 3],
      [6, 3],
    ]);
  });
});

describe("curves split by one label", () => {
  const names = (...keys: string[]) =>
    toCurves(
      keys.map((key) => ({ key, n: 1, raw: true, points: [] })),
      "Cost",
    ).map(({ name }) => name);

  it("are called by its values, where these are words", () => {
    expect(names("cost{policy=lru}", "cost{policy=fate}")).toEqual(["lru", "fate"]);
    expect(names("cost", "cost{policy=lru}", "cost{policy=fate}")).toEqual(["all", "lru", "fate"]);
  });

  it("keep the label where a value alone says nothing, or labels differ", () => {
    expect(names("cost{layer=1}", "cost{layer=2}")).toEqual(["layer=1", "layer=2"]);
    expect(names("cost{policy=lru}", "cost{site=here}")).toEqual(["policy=lru", "site=here"]);
    expect(names("cost{policy=lru}")).toEqual(["policy=lru"]);
    expect(names("cost")).toEqual(["Cost"]);
  });
});

describe("metrics of a run", () => {
  it("are grouped by declared metric, labels in the order of their numbers", () => {
    const specs = {
      speed: { title: "Speed", unit: "tok/s", better: "higher", help: "h", measured: true },
      hit: { title: "Hits", unit: "%", better: "higher", help: "h", measured: false },
    } as const;
    const groups = groupMetrics(["hit{layer=10}", "odd", "hit{layer=2}", "hit", "speed"], specs);
    expect(groups.map((group) => [group.title, group.keys])).toEqual([
      ["Speed", ["speed"]],
      ["Hits", ["hit", "hit{layer=2}", "hit{layer=10}"]],
      ["odd", ["odd"]],
    ]);
    expect(splitMetricKey("hit{layer=2,phase=a}")).toEqual({
      base: "hit",
      labels: "layer=2,phase=a",
    });
  });
});

describe("heatmaps", () => {
  const series = {
    kind: "heatmap" as const,
    rowLabel: "layer",
    columnLabel: "expert",
    valueLabel: "hits",
    valueUnit: "",
    rows: ["0", "1"],
    columns: ["a", "b", "c"],
    values: [
      [1, null, 3],
      [4, 5, -2],
    ],
  };
  const layout = heatmapLayout(series, 400);

  it("find the cell that was drawn under a point, and none outside", () => {
    for (const row of [0, 1]) {
      for (const column of [0, 1, 2]) {
        const x = layout.left + (column + 0.5) * layout.cellWidth;
        const y = layout.top + (row + 0.5) * layout.cellHeight;
        expect(cellAt(series, layout, x, y)).toEqual({ row, column });
      }
    }
    expect(cellAt(series, layout, layout.left - 1, layout.top + 1)).toBeNull();
    expect(cellAt(series, layout, layout.left + 1, layout.height)).toBeNull();
  });

  it("walk by arrow keys and stop at the edges", () => {
    expect(moveCell(series, null, "ArrowRight")).toEqual({ row: 0, column: 0 });
    expect(moveCell(series, { row: 1, column: 2 }, "ArrowRight")).toEqual({ row: 1, column: 2 });
    expect(moveCell(series, { row: 1, column: 2 }, "ArrowUp")).toEqual({ row: 0, column: 2 });
    expect(moveCell(series, null, "x")).toBeNull();
  });

  it("scale colours from the lowest to the highest value, whatever is missing", () => {
    expect(valueRange(series)).toEqual({ min: -2, max: 5 });
    expect(shareOf(5, { min: -2, max: 5 })).toBe(1);
    expect(shareOf(3, { min: 3, max: 3 })).toBe(0.5);
    expect(valueRange({ ...series, values: [[null], [null]] })).toBeNull();
    expect(scaleColor(0)).toBe("rgb(68 1 84)");
    expect(scaleColor(1)).toBe("rgb(253 231 37)");
    expect(scaleColor(9)).toBe(scaleColor(1));
  });
});

describe("timelines", () => {
  const bar = (lane: number, startMs: number, endMs: number) => ({
    lane,
    startMs,
    endMs,
    label: "",
    category: "c",
  });
  const series = {
    kind: "timeline" as const,
    lanes: ["compute", "transfer"],
    events: [bar(1, 5, 9), bar(0, 0, 2), bar(0, 4, 10)],
    note: "",
  };

  it("span from the first start to the last end", () => {
    expect(fullSpan(series)).toEqual({ startMs: 0, endMs: 10 });
    expect(fullSpan({ ...series, events: [] })).toEqual({ startMs: 0, endMs: 1 });
  });

  it("find the bar at a time as a search through all of them would", () => {
    const [compute = []] = lanesOf(series);
    for (let ms = -1; ms <= 11; ms += 0.5) {
      const naive = [...series.events.entries()].find(
        ([, e]) => e.lane === 0 && e.startMs <= ms && ms <= e.endMs,
      );
      expect(eventAt(compute, ms, 0), `at ${ms}`).toBe(naive?.[0] ?? null);
    }
  });

  it("tell long parts in seconds and short ones in milliseconds", () => {
    const told = (startMs: number, endMs: number) => {
      const span = { startMs, endMs };
      return `${timeText(startMs, span)} to ${timeText(endMs, span)} ${timeUnit(span)}`;
    };
    expect(told(0, 9_999)).toBe("0 to 9,999 ms");
    expect(told(19_031, 35_797)).toBe("19 to 35.8 s");
    expect(told(19_031, 19_031.5)).toBe("19,031 to 19,031.5 ms");
  });

  it("zoom about a time that keeps its place, and never leave the whole", () => {
    const full = { startMs: 0, endMs: 100 };
    expect(zoomSpan(full, 25, 0.5, full)).toEqual({ startMs: 12.5, endMs: 62.5 });
    expect(zoomSpan({ startMs: 90, endMs: 100 }, 100, 4, full)).toEqual({
      startMs: 60,
      endMs: 100,
    });
    expect(zoomSpan({ startMs: 10, endMs: 20 }, 15, 1_000, full)).toEqual(full);
    expect(panSpan({ startMs: 90, endMs: 100 }, 5, full)).toEqual({ startMs: 90, endMs: 100 });
  });

  it("show an event with its surroundings, and never leave the whole", () => {
    const full = { startMs: 0, endMs: 100 };
    expect(spanAround({ startMs: 50, endMs: 54 }, full)).toEqual({ startMs: 46, endMs: 58 });
    expect(spanAround({ startMs: 0, endMs: 0.001 }, full)).toEqual({ startMs: 0, endMs: 1 });
    expect(spanAround({ startMs: 10, endMs: 90 }, full)).toEqual(full);
  });
});

describe("tables as CSV", () => {
  it("quote what needs it, keep all digits, and defuse formulas", () => {
    const csv = tableCsv({
      kind: "table",
      columns: [
        { key: "a", title: "Name", unit: "", type: "text" },
        { key: "b", title: "Time", unit: "ms", type: "number" },
      ],
      rows: [{ a: 'x, "y"', b: 0.1234567890123 }, { a: "=1+1", b: null }, { b: -3 }],
    });
    expect(csv).toBe('Name,Time (ms)\r\n"x, ""y""",0.1234567890123\r\n\'=1+1,\r\n,-3\r\n');
  });
});
