import { categoryColor } from "./palette.ts";
import type { ChartTheme } from "./use-chart-theme.ts";

/** Colours in the palette: from here on they come again, hatched. */
const COLORS = 7;
const HATCH_SPACING = 5;

/** Whether the `index`th of a set of areas is hatched, since its colour is taken. */
export const isHatched = (index: number): boolean => index >= COLORS;

/** The fill of the `index`th of a set of areas, on a canvas. */
export function areaFill(
  context: CanvasRenderingContext2D,
  index: number,
  theme: ChartTheme,
): string | CanvasPattern {
  const color = categoryColor(index, theme.dark);
  return isHatched(index) ? hatch(context, color, theme.panel) : color;
}

/** The same fill in a style sheet. */
export function areaBackground(index: number, theme: ChartTheme): string {
  const color = categoryColor(index, theme.dark);
  return isHatched(index) ? hatchBackground(color, theme.panel) : color;
}

/** Slanted stripes in two colours. */
export function hatch(
  context: CanvasRenderingContext2D,
  color: string,
  ground: string,
): string | CanvasPattern {
  const size = HATCH_SPACING;
  const ratio = window.devicePixelRatio || 1;
  const tile = document.createElement("canvas");
  tile.width = Math.round(size * ratio);
  tile.height = tile.width;
  const paint = tile.getContext("2d");
  if (paint === null) return color;
  paint.scale(tile.width / size, tile.width / size);
  paint.fillStyle = ground;
  paint.fillRect(0, 0, size, size);
  paint.strokeStyle = color;
  paint.lineWidth = 2;
  for (const shift of [-size, 0, size]) {
    paint.beginPath();
    paint.moveTo(shift - 1, size + 1);
    paint.lineTo(shift + size + 1, -1);
    paint.stroke();
  }
  const pattern = context.createPattern(tile, "repeat");
  // The canvas is scaled to the screen's pixels; the tile is so already.
  pattern?.setTransform(new DOMMatrix().scale(size / tile.width));
  return pattern ?? color;
}

/** Slanted stripes in two colours, in a style sheet. */
export function hatchBackground(color: string, ground: string): string {
  return `repeating-linear-gradient(-45deg, ${color} 0 2px, ${ground} 2px 3.6px)`;
}
