import { type BarsSeries, barsSeriesSchema } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { toPixel } from "../src/ui/charts/scale.ts";
import { barAt, barBox, barsLayout, moveBar, shortLabel } from "../src/ui/series/bars-layout.ts";
import { isEmptySeries } from "../src/ui/series/series-size.ts";

const names = (count: number, of = "") => Array.from({ length: count }, (_, i) => `${of}${i}`);

function bars(categories: number, groups: number, changed: object = {}): BarsSeries {
  return barsSeriesSchema.parse({
    kind: "bars",
    categoryLabel: "layer",
    categories: names(categories),
    valueLabel: "hit rate",
    groups: names(groups, "policy ").map((name, g) => ({
      name,
      values: names(categories).map((_, i) => 1 + ((i * 7 + g * 3) % 10)),
    })),
    ...changed,
  });
}

const all = (series: BarsSeries) => series.groups.map((_, g) => g);
const layoutOf = (series: BarsSeries, width: number, shown = all(series)) =>
  barsLayout(
    series,
    shown,
    series.references.map((_, r) => r),
    width,
  );

describe("bars", () => {
  it.each([
    [1, 1, 360],
    [8, 3, 550],
    [24, 3, 326],
    [64, 12, 550],
    [64, 12, 326],
    [256, 2, 326],
  ])("of %i categories and %i groups fit %i pixels without touching another's", (n, g, width) => {
    const series = bars(n, g);
    const layout = layoutOf(series, width);
    const seen: { left: number; right: number; row: number }[] = [];
    const outside: string[] = [];
    for (let group = 0; group < g; group++) {
      for (let category = 0; category < n; category++) {
        const box = barBox(series, layout, { category, group });
        if (box === null) throw new Error(`bar ${category}, ${group} is missing`);
        const isInside =
          box.left >= layout.left &&
          box.left + box.width <= width &&
          box.top >= 0 &&
          box.top + box.height <= layout.bottom + 1e-9;
        if (!isInside) outside.push(`${category}, ${group}`);
        const row = layout.rows.findIndex(({ groups }) => groups.includes(group));
        seen.push({ left: box.left, right: box.left + box.width, row });
      }
    }
    seen.sort((a, b) => a.row - b.row || a.left - b.left);
    const touching = seen.filter((bar, i) => {
      const before = seen[i - 1];
      return before?.row === bar.row && bar.left < before.right - 1e-9;
    });
    expect({ outside, touching }).toEqual({ outside: [], touching: [] });
    expect(layout.isSplit || layout.barWidth >= 4 || g === 1).toBe(true);
  });

  it("stand side by side as soon as the reader turns off enough groups", () => {
    const series = bars(24, 12);
    expect(layoutOf(series, 550).rows).toHaveLength(12);
    expect(layoutOf(series, 550, [3, 7]).rows).toMatchObject([{ groups: [3, 7] }]);
  });

  it("begin at 0 and reach their value, negative ones downwards", () => {
    const series = bars(2, 1, { groups: [{ name: "a", values: [4, -2] }] });
    const layout = layoutOf(series, 400);
    const scale = layout.rows[0]?.scale;
    if (scale === undefined) throw new Error("a row");
    const zero = toPixel(scale, 0);
    const up = barBox(series, layout, { category: 0, group: 0 });
    const down = barBox(series, layout, { category: 1, group: 0 });
    expect((up?.top ?? 0) + (up?.height ?? 0)).toBeCloseTo(zero);
    expect(down?.top).toBeCloseTo(zero);
    expect(up?.height).toBeCloseTo(2 * (down?.height ?? 0));
  });

  it("show references and interval ends that lie beyond every bar", () => {
    const series = bars(2, 1, {
      groups: [{ name: "a", values: [1, 2], low: [0.5, 1], high: [2, 9] }],
      references: [{ name: "claim", value: [null, 99] }],
    });
    const top = (references: number[]) => barsLayout(series, [0], references, 400).rows[0]?.scale;
    expect(top([0])?.max).toBeGreaterThan(99);
    expect(top([])?.max).toBeGreaterThan(9);
    expect(top([])?.max).toBeLessThan(99);
  });

  it("pile up in a stack, each on the shown ones below it", () => {
    const groups = [
      { name: "compute", values: [3, null] },
      { name: "transfer", values: [4, 1] },
      { name: "wait", values: [5, 2] },
    ];
    const series = bars(2, 0, { arrangement: "stacked", groups });
    const box = (shown: number[], group: number) =>
      barBox(series, layoutOf(series, 400, shown), { category: 0, group });
    const bottom = (shown: number[], group: number) => {
      const found = box(shown, group);
      return (found?.top ?? 0) + (found?.height ?? 0);
    };
    expect(bottom([0, 1, 2], 1)).toBeCloseTo(box([0, 1, 2], 0)?.top ?? 0);
    expect(bottom([0, 1, 2], 2)).toBeCloseTo(box([0, 1, 2], 1)?.top ?? 0);
    expect(bottom([0, 2], 2)).toBeCloseTo(box([0, 2], 0)?.top ?? 0);
    expect(box([0, 2], 1)).toBeNull();
  });

  it.each([
    ["side by side", bars(8, 3), 550],
    ["in rows", bars(24, 3), 300],
    ["stacked", bars(8, 3, { arrangement: "stacked" }), 550],
  ])("%s are found under the pointer, and nothing beside the plot", (_, series, width) => {
    const layout = layoutOf(series, width);
    for (const group of all(series)) {
      for (const category of [0, 3, series.categories.length - 1]) {
        const box = barBox(series, layout, { category, group });
        if (box === null) throw new Error("a bar");
        const x = box.left + box.width / 2;
        expect(barAt(series, layout, x, box.top + box.height / 2)).toEqual({ category, group });
      }
    }
    expect(barAt(series, layout, layout.left - 2, 50)).toBeNull();
    expect(barAt(series, layout, layout.left + 2, layout.height)).toBeNull();
  });

  it("are walked by arrow keys over shown groups, and stop at the ends", () => {
    const series = bars(3, 4);
    const shown = [0, 2, 3];
    const move = (key: string, category: number, group: number) =>
      moveBar(series, shown, { category, group }, key);
    expect(moveBar(series, shown, null, "ArrowRight")).toEqual({ category: 0, group: 0 });
    expect(moveBar(series, shown, null, "End")).toEqual({ category: 2, group: 0 });
    expect(move("ArrowDown", 1, 0)).toEqual({ category: 1, group: 2 });
    expect(move("ArrowUp", 1, 0)).toEqual({ category: 1, group: 0 });
    expect(move("ArrowRight", 2, 3)).toEqual({ category: 2, group: 3 });
    expect(move("Home", 2, 3)).toEqual({ category: 0, group: 3 });
    expect(move("x", 2, 3)).toBeNull();
    expect(moveBar(series, [], null, "ArrowRight")).toBeNull();
  });

  it("slant long names that do not fit and thin out numbers", () => {
    expect(layoutOf(bars(64, 1), 300).labels).toMatchObject({ isSlanted: false });
    expect(layoutOf(bars(64, 1), 300).labels.every).toBeGreaterThan(1);
    const categories = names(8, "a long policy name ");
    const slanted = layoutOf(bars(8, 1, { categories }), 500).labels;
    expect(slanted).toMatchObject({ isSlanted: true, every: 1 });
    const short = ["LRU", "ARC", "LFU"];
    expect(layoutOf(bars(3, 1, { categories: short }), 500).labels.isSlanted).toBe(false);
  });

  it("keep slanted names inside the picture, whichever of them is the longest", () => {
    for (const long of [0, 3, 7]) {
      const categories = names(8, "x").map((name, at) => (at === long ? name.repeat(18) : name));
      const layout = layoutOf(bars(8, 1, { categories }), 500);
      const middle = layout.left + (long + 0.5) * layout.categoryWidth;
      const characters = Math.min(layout.labels.characters, categories[long]?.length ?? 0);
      expect(middle - 0.71 * 5.5 * characters).toBeGreaterThan(0);
    }
  });

  it("shorten a name in its middle, so that its ends still tell it from others", () => {
    expect(shortLabel("ahl", 18)).toBe("ahl");
    const long = ["byshard-centralised-read-write", "byshard-centralised-write"];
    const short = long.map((name) => shortLabel(name, 18));
    expect(short.map(({ length }) => length)).toEqual([18, 18]);
    expect(new Set(short).size).toBe(2);
  });

  it("are empty when no group has a value", () => {
    expect(isEmptySeries(bars(2, 0))).toBe(true);
    expect(isEmptySeries(bars(1, 0, { groups: [{ name: "a", values: [null] }] }))).toBe(true);
    expect(isEmptySeries(bars(1, 0, { groups: [{ name: "a", values: [0] }] }))).toBe(false);
    // Nothing to draw must not break the layout, which is made before anyone knows.
    expect(layoutOf(bars(0, 0), 300).ticks.length).toBeGreaterThan(1);
  });
});
