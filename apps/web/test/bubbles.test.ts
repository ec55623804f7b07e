import { type TimelineSeries, timelineSeriesSchema } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { laneWaits, union, withGaps } from "../src/ui/series/timeline-bubbles.ts";
import { laneDrawing } from "../src/ui/series/timeline-columns.ts";
import { fullSpan } from "../src/ui/series/timeline-layout.ts";

const event = (lane: number, startMs: number, endMs: number, category = "work") => ({
  lane,
  startMs,
  endMs,
  label: "",
  category,
});

function timeline(events: ReturnType<typeof event>[]): TimelineSeries {
  return timelineSeriesSchema.parse({ kind: "timeline", lanes: ["compute", "transfer"], events });
}

describe("bubbles", () => {
  const series = timeline([
    event(0, 2, 4),
    event(0, 3, 5),
    event(0, 8, 9),
    event(0, 9.0005, 10),
    event(1, 0, 12),
  ]);

  it("fill the named lanes' gaps, from the first start to the last end on any lane", () => {
    const added = withGaps(series, ["compute"]).events.slice(series.events.length);
    expect(added.map(({ lane, startMs, endMs }) => [lane, startMs, endMs])).toEqual([
      [0, 0, 2],
      [0, 5, 8],
      [0, 10, 12],
    ]);
  });

  it("leave a timeline as it is without named lanes, gaps or events", () => {
    expect(withGaps(series, [])).toBe(series);
    expect(withGaps(series, ["transfer"])).toBe(series);
    expect(withGaps(series, ["no such lane"])).toBe(series);
    const none = timeline([]);
    expect(withGaps(none, ["compute"])).toBe(none);
  });

  it("and work add up to the whole on a lane whose gaps are filled", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const events = Array.from({ length: 40 }, (_, i) => {
        const start = (i * 7_919 * seed) % 1_000;
        return event(i % 2, start, start + ((i * 31 * seed) % 23));
      });
      const filled = withGaps(timeline(events), ["compute"]);
      const span = fullSpan(filled);
      const worked = union(events.filter(({ lane }) => lane === 0));
      const workMs = worked.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
      const waits = laneWaits(filled, span).find(({ lane }) => lane === 0);
      expect(workMs + (waits?.waitMs ?? 0)).toBeCloseTo(span.endMs - span.startMs, 6);
    }
  });

  it("count overlaps once, by lane, within the part that is shown", () => {
    const stalls = timeline([
      event(0, 0, 4, "stall"),
      event(0, 2, 6, "stall"),
      event(1, 5, 6, "stall"),
      event(1, 0, 10),
    ]);
    expect(laneWaits(stalls, { startMs: 0, endMs: 10 })).toMatchObject([
      { lane: 0, waitMs: 6, share: 0.6, bubbles: [0, 1] },
      { lane: 1, waitMs: 1, share: 0.1, bubbles: [2] },
    ]);
    expect(laneWaits(stalls, { startMs: 3, endMs: 5 })).toMatchObject([{ waitMs: 2, share: 1 }]);
    expect(laneWaits(series, { startMs: 0, endMs: 12 })).toEqual([]);
  });
});

describe("lanes of thousands of bars", () => {
  it("keep the time of every bar, drawn or summed", () => {
    let at = 0;
    const events = Array.from({ length: 5_000 }, (_, i) => {
      const length = ((i * 37) % 10) * 0.1 + (i % 500 === 0 ? 40 : 0.05);
      const startMs = at;
      at += length + 0.2;
      return event(0, startMs, startMs + length, i % 3 === 0 ? "stall" : "work");
    });
    const columns = 900;
    const span = { startMs: 0, endMs: at };
    const { bars, shares } = laneDrawing(events, span, columns);
    const perColumn = at / columns;
    for (const category of ["work", "stall"]) {
      const own = events.filter((one) => one.category === category);
      const wantedMs = own.reduce((sum, one) => sum + one.endMs - one.startMs, 0);
      const barMs = bars
        .flatMap((place) => events[place] ?? [])
        .filter((one) => one.category === category)
        .reduce((sum, one) => sum + one.endMs - one.startMs, 0);
      const row = shares.get(category) ?? new Float64Array();
      const summedMs = row.reduce((sum, share) => sum + share * perColumn, 0);
      expect(barMs + summedMs).toBeCloseTo(wantedMs, 6);
      expect(Math.max(...row)).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(bars.length).toBeLessThan(20);
  });

  it("draw wide bars and moments as they are, and leave out what is out of view", () => {
    const events = [event(0, 0, 50), event(0, 60, 60), event(0, 61, 61.5), event(0, 200, 300)];
    const { bars, shares } = laneDrawing(events, { startMs: 0, endMs: 100 }, 100);
    expect(bars).toEqual([0, 1]);
    expect(shares.get("work")?.[61]).toBeCloseTo(0.5);
    expect(shares.get("work")?.reduce((sum, share) => sum + share, 0)).toBeCloseTo(0.5);
  });
});
