import type { PointRef } from "@fmlab/experiment";
import type { Dot, Place } from "./scatter-layout.ts";

/** A point's label, with its left edge and the middle of its height. */
export interface PlacedLabel extends PointRef {
  text: string;
  x: number;
  y: number;
}

interface Area {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** About the width of a letter and the height of a line at 11 px. */
const LETTER = 6;
const LINE = 13;
/** Space between a point's middle and its label. */
const AWAY = 8;
/** Points nearer than this lie on one another: one of them is labelled. */
const SAME = 3;

export interface LabelPlan {
  /** Points in order of importance. */
  wanted: readonly Dot[];
  /** All points, and the lines among them: labels keep clear of both. */
  dots: readonly Dot[];
  lines: readonly (readonly Place[])[];
  /** Whose label may lie on a line rather than be left out. */
  mayCross: (dot: Dot) => boolean;
  textOf: (dot: Dot) => string;
  plot: Area;
}

/**
 * Labels that can be drawn without touching each other, another point, a line or the plot's edge.
 * Each is tried around its point; earlier ones win. Points that lie on one another have one label.
 */
export function placeLabels(plan: LabelPlan): PlacedLabel[] {
  const { wanted, dots, lines, textOf, plot } = plan;
  const taken: Area[] = [];
  const told: Dot[] = [];
  const placed: PlacedLabel[] = [];
  for (const dot of wanted) {
    const text = textOf(dot);
    const isTold = told.some(({ x, y }) => Math.hypot(x - dot.x, y - dot.y) < SAME);
    if (text === "" || isTold) continue;
    const free = candidates(dot, LETTER * text.length).filter(
      (one) =>
        isInside(one, plot) &&
        !taken.some((other) => overlaps(one, other)) &&
        !dots.some((other) => other !== dot && overlaps(one, around(other, 4))),
    );
    const crossed = (one: Area) => lines.filter((line) => crosses(line, one)).length;
    const [area] = [...free].sort((a, b) => crossed(a) - crossed(b));
    if (area === undefined || (crossed(area) > 0 && !plan.mayCross(dot))) continue;
    taken.push(area);
    told.push(dot);
    const { group, point } = dot;
    placed.push({ group, point, text, x: area.left, y: (area.top + area.bottom) / 2 });
  }
  return placed;
}

/** Whether a line runs through an area; each piece is clipped to it (Liang and Barsky 1984). */
export function crosses(line: readonly Place[], area: Area): boolean {
  return line.some((to, i) => {
    const from = line[i - 1];
    if (from === undefined) return false;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    let [enter, leave] = [0, 1];
    for (const [step, room] of [
      [-dx, from.x - area.left],
      [dx, area.right - from.x],
      [-dy, from.y - area.top],
      [dy, area.bottom - from.y],
    ] as const) {
      if (step === 0 && room < 0) return false;
      if (step < 0) enter = Math.max(enter, room / step);
      if (step > 0) leave = Math.min(leave, room / step);
    }
    return enter <= leave;
  });
}

function candidates({ x, y }: Dot, width: number): Area[] {
  const at = (left: number, middle: number): Area => ({
    left,
    right: left + width,
    top: middle - LINE / 2,
    bottom: middle + LINE / 2,
  });
  return [
    at(x + AWAY, y),
    at(x - AWAY - width, y),
    at(x - width / 2, y - AWAY - LINE / 2),
    at(x - width / 2, y + AWAY + LINE / 2),
    at(x + AWAY - 2, y - AWAY - 2),
    at(x + AWAY - 2, y + AWAY + 2),
    at(x - AWAY + 2 - width, y - AWAY - 2),
  ];
}

const around = ({ x, y }: Dot, r: number): Area => ({
  left: x - r,
  right: x + r,
  top: y - r,
  bottom: y + r,
});

const overlaps = (a: Area, b: Area) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

const isInside = (a: Area, plot: Area) =>
  a.left >= plot.left && a.right <= plot.right && a.top >= plot.top && a.bottom <= plot.bottom;
