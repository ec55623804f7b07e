import { type ScatterSeries, scatterSeriesSchema } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { crosses, placeLabels } from "../src/ui/series/scatter-labels.ts";
import {
  axisRange,
  dotAt,
  frontSteps,
  moveDot,
  scatterLayout,
} from "../src/ui/series/scatter-layout.ts";

function scatter(changed: object = {}): ScatterSeries {
  return scatterSeriesSchema.parse({
    kind: "scatter",
    x: { label: "memory", scale: "log", better: "lower" },
    y: { label: "speed", better: "higher" },
    front: true,
    groups: [
      {
        name: "LRU",
        joined: true,
        points: [
          { x: 1, y: 10 },
          { x: 2, y: 20 },
          { x: 4, y: null },
          { x: 8, y: 30 },
          { x: 16, y: 31 },
        ],
      },
      { name: "ours", points: [{ x: 2, y: 25 }] },
    ],
    ...changed,
  });
}

const layoutOf = (series: ScatterSeries, shown = series.groups.map((_, g) => g)) =>
  scatterLayout(
    series,
    shown,
    series.bounds.map((_, b) => b),
    500,
  );

describe("scatter pictures", () => {
  it("draw every point that has a y inside the axes, from left to right", () => {
    const { dots, x, y } = layoutOf(scatter());
    expect(dots).toHaveLength(5);
    for (const [i, dot] of dots.entries()) {
      expect(dot.x).toBeGreaterThan(x.from);
      expect(dot.x).toBeLessThan(x.to);
      expect(dot.y).toBeLessThan(y.from);
      expect(dot.y).toBeGreaterThan(y.to);
      expect(dot.x).toBeGreaterThanOrEqual(dots[i - 1]?.x ?? 0);
    }
  });

  it("break a joined line at a point without a y", () => {
    expect(layoutOf(scatter()).joins.map(({ line }) => line.length)).toEqual([2, 2]);
  });

  it("mark the front of the shown groups only", () => {
    const series = scatter();
    expect(layoutOf(series).front.map(({ group, point }) => [group, point])).toEqual([
      [0, 0],
      [1, 0],
      [0, 3],
      [0, 4],
    ]);
    expect(layoutOf(series, [1]).front).toHaveLength(1);
    expect(layoutOf(scatter({ front: false })).front).toEqual([]);
  });

  it("step along what can be had: never worse than the last point before it", () => {
    const dot = (x: number, y: number) => ({ group: 0, point: 0, x, y });
    const front = [dot(0, 50), dot(10, 20)];
    const corners = (better: "higher" | "lower") => frontSteps(front, better)[1];
    expect(corners("lower")).toEqual({ x: 10, y: 50 });
    expect(corners("higher")).toEqual({ x: 0, y: 20 });
  });

  it("find the nearest point within reach", () => {
    const { dots } = layoutOf(scatter());
    const [first] = dots;
    if (first === undefined) throw new Error("a point");
    expect(dotAt(dots, first.x + 3, first.y - 3)).toBe(first);
    expect(dotAt(dots, first.x + 3, first.y - 90)).toBeNull();
    expect(dotAt([], 1, 1)).toBeNull();
  });

  it("are walked from left to right by arrow keys and stop at the ends", () => {
    const { dots } = layoutOf(scatter());
    expect(moveDot(dots, null, "ArrowRight")).toBe(dots[0]);
    expect(moveDot(dots, null, "ArrowLeft")).toBe(dots.at(-1));
    expect(moveDot(dots, dots[1] ?? null, "ArrowRight")).toBe(dots[2]);
    expect(moveDot(dots, dots.at(-1) ?? null, "ArrowRight")).toBe(dots.at(-1));
    expect(moveDot(dots, dots[1] ?? null, "End")).toBe(dots.at(-1));
    expect(moveDot(dots, null, "End")).toBe(dots.at(-1));
    expect(moveDot(dots, null, "Home")).toBe(dots[0]);
    expect(moveDot(dots, null, "x")).toBeNull();
    expect(moveDot([], null, "ArrowRight")).toBeNull();
  });
});

describe("axes of scatter pictures", () => {
  it("begin at 0 where that wastes little, and fit the points where it would", () => {
    expect(axisRange("linear", [10, 100], []).min).toBe(0);
    expect(axisRange("linear", [90, 100], []).min).toBeGreaterThan(80);
    expect(axisRange("linear", [-5, 5], [])).toEqual({ min: -5.6, max: 5.6 });
  });

  it("follow a bound near the points, and cut off one that would squeeze them", () => {
    expect(axisRange("linear", [0, 100], [120, 1_000_000]).max).toBeGreaterThan(120);
    expect(axisRange("linear", [0, 100], [120, 1_000_000]).max).toBeLessThan(200);
    expect(axisRange("log", [1, 100], [1e9]).max).toBeLessThan(1_000);
  });

  it("have a length for one point, no point, and ends below 0 on a log axis", () => {
    for (const kind of ["linear", "log"] as const) {
      for (const values of [[], [7], [7, 7], [null, undefined], [3, -1]]) {
        const { min, max } = axisRange(kind, values, []);
        expect(max, `${kind} ${values}`).toBeGreaterThan(min);
        if (kind === "log") expect(min).toBeGreaterThan(0);
      }
    }
  });
});

describe("labels", () => {
  const plot = { left: 0, right: 400, top: 0, bottom: 300 };
  const dot = (point: number, x: number, y: number) => ({ group: 0, point, x, y });
  const plan = (dots: ReturnType<typeof dot>[], changed: object = {}) => ({
    wanted: dots,
    dots,
    lines: [],
    mayCross: () => false,
    textOf: ({ point }: { point: number }) => `point ${point}`,
    plot,
    ...changed,
  });

  it("never touch each other or another point, however dense", () => {
    const dots = Array.from({ length: 60 }, (_, i) => dot(i, (i * 97) % 400, (i * 61) % 300));
    const placed = placeLabels(plan(dots));
    expect(placed.length).toBeGreaterThan(2);
    const width = (text: string) => 6 * text.length;
    const touching = placed.filter((a) => {
      const meetsLabel = placed.some((b) => {
        const apartX = a.x + width(a.text) <= b.x || b.x + width(b.text) <= a.x;
        return a !== b && !apartX && Math.abs(a.y - b.y) < 13;
      });
      const coversDot = dots.some(
        ({ point, x, y }) =>
          point !== a.point && x > a.x && x < a.x + width(a.text) && Math.abs(y - a.y) < 6.5,
      );
      return meetsLabel || coversDot;
    });
    expect(touching).toEqual([]);
  });

  it("give way to lines, unless they may cross them", () => {
    const only = [dot(0, 200, 150)];
    const box = [
      { x: 230, y: 0 },
      { x: 230, y: 300 },
    ];
    const beside = placeLabels(plan(only, { lines: [box] }))[0];
    expect(beside?.x).toBeLessThan(200);
    const cage = [80, 110, 140, 160, 190].map((y) => [
      { x: 0, y },
      { x: 400, y },
    ]);
    const grid = [
      ...cage,
      box,
      [
        { x: 170, y: 0 },
        { x: 170, y: 300 },
      ],
    ];
    expect(placeLabels(plan(only, { lines: grid }))).toEqual([]);
    expect(placeLabels(plan(only, { lines: grid, mayCross: () => true }))).toHaveLength(1);
  });

  it("name points that lie on one another once", () => {
    const placed = placeLabels(plan([dot(0, 200, 150), dot(1, 201, 150), dot(2, 300, 150)]));
    expect(placed.map(({ text }) => text)).toEqual(["point 0", "point 2"]);
  });

  it("know a line through an area as sampling the line does", () => {
    const area = { left: 10, right: 30, top: 10, bottom: 20 };
    for (let i = 0; i < 200; i++) {
      const from = { x: (i * 37) % 41, y: (i * 17) % 31 };
      const to = { x: (i * 23 + 5) % 43, y: (i * 29 + 3) % 31 };
      const isIn = ({ x, y }: { x: number; y: number }) => x >= 10 && x <= 30 && y >= 10 && y <= 20;
      const sampled = Array.from({ length: 501 }, (_, n) => n / 500).some((t) =>
        isIn({ x: from.x + t * (to.x - from.x), y: from.y + t * (to.y - from.y) }),
      );
      if (sampled) expect(crosses([from, to], area), `${i}`).toBe(true);
      // A corner may be grazed between two samples; a widely missed area may not be crossed.
      const wide = { left: 9.9, right: 30.1, top: 9.9, bottom: 20.1 };
      if (!crosses([from, to], wide)) expect(sampled).toBe(false);
    }
  });
});
