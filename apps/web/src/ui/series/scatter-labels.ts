import type { PointRef } from "@fmlab/experiment";
import type { Dot } from "./scatter-layout.ts";

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

/**
 * Labels that can be drawn without touching each other, another point or the plot's edge. Each is
 * tried on the right, on the left, above and below of its point; earlier ones win.
 *
 * @param wanted points in order of importance
 * @param dots all points, which labels must keep clear of
 */
export function placeLabels(
  wanted: readonly Dot[],
  dots: readonly Dot[],
  textOf: (dot: Dot) => string,
  plot: Area,
): PlacedLabel[] {
  const taken: Area[] = [];
  const placed: PlacedLabel[] = [];
  for (const dot of wanted) {
    const text = textOf(dot);
    if (text === "") continue;
    const area = candidates(dot, LETTER * text.length).find(
      (one) =>
        isInside(one, plot) &&
        !taken.some((other) => overlaps(one, other)) &&
        !dots.some((other) => other !== dot && overlaps(one, around(other, 4))),
    );
    if (area === undefined) continue;
    taken.push(area);
    const { group, point } = dot;
    placed.push({ group, point, text, x: area.left, y: (area.top + area.bottom) / 2 });
  }
  return placed;
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
