import { z } from "zod";
import {
  intervalProblem,
  originFields,
  pictureName,
  pictureText,
  repeatedName,
  SERIES_LIMITS,
} from "./series-limits.ts";

const optionalEnd = z.number().nullable().optional();

/** One measured point. `y` null: tried, without a result; it breaks a joined line. */
const scatterPoint = z.strictObject({
  x: z.number(),
  y: z.number().nullable(),
  /** What this point is, e.g. `LRU, 8 slots`. */
  label: pictureText.default(""),
  /** Ends of the intervals around y and around x, in their units; both ends or none. */
  low: optionalEnd,
  high: optionalEnd,
  xLow: optionalEnd,
  xHigh: optionalEnd,
});

const scatterAxis = z.strictObject({
  label: pictureName,
  unit: pictureText.default(""),
  scale: z.enum(["linear", "log"]).default("linear"),
  /** Which end is wanted; both axes need one for a Pareto front. */
  better: z.enum(["higher", "lower", "none"]).default("none"),
});

/** A computed or claimed limit, drawn as a line without points. */
const boundCurve = z.strictObject({
  name: pictureName,
  points: z
    .array(z.strictObject({ x: z.number(), y: z.number() }))
    .min(2)
    .max(SERIES_LIMITS.boundPoints),
  ...originFields,
});

/**
 * Points over two measured axes, in named groups: memory against speed, prediction against
 * measurement. `front` marks the points that no other one beats on both axes; bounds are curves to
 * compare with. On a log axis every value must be above 0; ends of intervals need not be.
 */
export const scatterSeriesSchema = z
  .strictObject({
    kind: z.literal("scatter"),
    x: scatterAxis,
    y: scatterAxis,
    groups: z
      .array(
        z.strictObject({
          name: pictureName,
          /** Draws a line through the group's points, in their order. */
          joined: z.boolean().default(false),
          points: z.array(scatterPoint).max(SERIES_LIMITS.scatterPoints),
        }),
      )
      .max(SERIES_LIMITS.scatterGroups),
    front: z.boolean().default(false),
    bounds: z.array(boundCurve).max(SERIES_LIMITS.references).default([]),
    /** What a reader must know, e.g. what was left out. */
    note: pictureText.default(""),
  })
  .superRefine((series, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    const name = repeatedName([...series.groups, ...series.bounds]);
    if (name !== undefined) refuse(["groups"], `two groups or bounds are called "${name}"`);
    const count = series.groups.reduce((sum, group) => sum + group.points.length, 0);
    if (count > SERIES_LIMITS.scatterPoints) {
      refuse(["groups"], `at most ${SERIES_LIMITS.scatterPoints} points are drawn, got ${count}`);
    }
    if (series.front && (series.x.better === "none" || series.y.better === "none")) {
      refuse(["front"], "a Pareto front needs `better` on both axes");
    }
    const isOff = ({ x, y }: { x: number; y: number | null }) =>
      (series.x.scale === "log" && x <= 0) || (series.y.scale === "log" && y !== null && y <= 0);
    const check = (points: readonly ScatterPoint[], path: (string | number)[]) =>
      points.forEach((point, at) => {
        const problem = isOff(point)
          ? `(${point.x}, ${point.y}) is not above 0 on a log axis`
          : (intervalProblem(point.y, point.low, point.high) ??
            intervalProblem(point.x, point.xLow, point.xHigh));
        if (problem !== undefined) refuse([...path, "points", at], problem);
      });
    series.groups.forEach(({ points }, at) => {
      check(points, ["groups", at]);
    });
    series.bounds.forEach(({ points }, at) => {
      check(points, ["bounds", at]);
    });
  });

/** Points over two measured axes. */
export type ScatterSeries = z.infer<typeof scatterSeriesSchema>;
type ScatterPoint = Pick<z.infer<typeof scatterPoint>, "x" | "y"> &
  Partial<z.infer<typeof scatterPoint>>;

/** The place of a point in a scatter series. */
export interface PointRef {
  group: number;
  point: number;
}

/**
 * The points that no other point beats: none is at least as good on both axes and better on one.
 * Equal points are both on the front. In the order of x.
 *
 * @param isShown tells which groups count; all when left out
 * @returns nothing where an axis has no better end
 * Cost: O(n log n).
 */
export function paretoFront(
  series: Pick<ScatterSeries, "x" | "y" | "groups">,
  isShown: (group: number) => boolean = () => true,
): PointRef[] {
  if (series.x.better === "none" || series.y.better === "none") return [];
  const xSign = series.x.better === "lower" ? 1 : -1;
  const ySign = series.y.better === "higher" ? 1 : -1;
  const all = series.groups.flatMap(({ points }, group) =>
    isShown(group)
      ? points.flatMap(({ x, y }, point) =>
          y === null ? [] : [{ group, point, cost: x * xSign, gain: y * ySign }],
        )
      : [],
  );
  all.sort((a, b) => a.cost - b.cost || b.gain - a.gain);
  const front: PointRef[] = [];
  let best = { cost: Number.NaN, gain: Number.NEGATIVE_INFINITY };
  for (const { group, point, cost, gain } of all) {
    if (gain < best.gain || (gain === best.gain && cost !== best.cost)) continue;
    best = { cost, gain };
    front.push({ group, point });
  }
  return xSign === 1 ? front : front.reverse();
}
