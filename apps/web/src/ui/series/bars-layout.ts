import { type BarsSeries, stackTotal } from "@fmlab/experiment";
import { niceTicks, type Scale, tickText, toPixel } from "../charts/scale.ts";

/** One bar: its category and its group, by index. */
export interface BarRef {
  category: number;
  group: number;
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** A row of bars over all categories with its value axis. */
interface BarsRow {
  groups: number[];
  scale: Scale;
}

export interface BarsLayout {
  left: number;
  width: number;
  height: number;
  /** Lower edge of the lowest row. */
  bottom: number;
  categoryWidth: number;
  barWidth: number;
  /** Each group in a row of its own, because side by side its bars could not be seen. */
  isSplit: boolean;
  rows: BarsRow[];
  ticks: number[];
  /** `characters`: longer names are shortened. */
  labels: { isSlanted: boolean; every: number; characters: number };
}

/** Thinner bars than this cannot be told apart, CSS pixels. */
const BAR_WIDTH_MIN = 4;
const PLOT_HEIGHT = 220;
const SPLIT_HEIGHT = 58;
/** Space over a row: for its group's name, or for a value over a bar. */
const HEAD = 16;
/** About the width of a digit at 11 px. */
const DIGIT = 6.2;
/** Longer names of categories are shortened; in a narrow picture sooner. */
const LABEL_CHARACTERS = { wide: 36, narrow: 18 };
const WIDE_FROM = 440;

/**
 * Places bars in a width: side by side or stacked in one row, or one row a group where they would
 * become too thin.
 *
 * @param shown indices of the groups that are drawn
 * @param references indices of the references that are drawn
 */
export function barsLayout(
  series: BarsSeries,
  shown: readonly number[],
  references: readonly number[],
  width: number,
): BarsLayout {
  const [min, max] = valueRange(series, shown, references);
  const stacked = series.arrangement === "stacked";
  const ticks = niceTicks(min, max, 5, series.valueUnit);
  const tickWidth = Math.max(...ticks.map((tick) => tickText(tick, series.valueUnit).length));
  const count = Math.max(1, series.categories.length);
  const longest = Math.max(1, ...series.categories.map((name) => name.length));
  const isNumbered = series.categories.every((name) => /^\d+$/.test(name));
  const axisLeft = 24 + 6.5 * tickWidth;
  const fits = (space: number) => DIGIT * longest + 6 <= space;
  const isSlanted = !isNumbered && !fits((width - axisLeft - 4) / count);
  const characters = width >= WIDE_FROM ? LABEL_CHARACTERS.wide : LABEL_CHARACTERS.narrow;
  const slant = 0.71 * (DIGIT * Math.min(characters, longest)) + 6;
  const left = isSlanted
    ? Math.max(axisLeft, slantedLeft(series.categories, characters, width - 4))
    : axisLeft;
  const categoryWidth = Math.max(0.5, (width - left - 4) / count);
  const inner = categoryWidth - Math.max(0.5, Math.min(24, 0.2 * categoryWidth));
  const side = stacked ? inner : inner / Math.max(1, shown.length);
  const isSplit = !stacked && shown.length > 1 && side < BAR_WIDTH_MIN;
  const barWidth = Math.min(72, isSplit ? inner : side);
  const rows = (isSplit ? shown.map((group) => [group]) : [[...shown]]).map((groups, row) => {
    const top = row * (SPLIT_HEIGHT + HEAD) + HEAD;
    const from = top + (isSplit ? SPLIT_HEIGHT : PLOT_HEIGHT);
    return { groups, scale: { kind: "linear" as const, min, max, from, to: top } };
  });
  const bottom = rows.at(-1)?.scale.from ?? PLOT_HEIGHT;
  const labelSpace = isNumbered ? DIGIT * longest + 8 : 13;
  return {
    left,
    width,
    height: bottom + (isSlanted ? slant + 22 : 36),
    bottom,
    categoryWidth,
    barWidth,
    isSplit,
    rows,
    ticks: isSplit ? [ticks[0] ?? min, ticks.at(-1) ?? max] : ticks,
    labels: {
      isSlanted,
      characters,
      every: isSlanted || isNumbered ? Math.max(1, Math.ceil(labelSpace / categoryWidth)) : 1,
    },
  };
}

/** Space that slanted names need left of the first bar: of the first ones, which reach furthest. */
function slantedLeft(names: readonly string[], characters: number, width: number): number {
  const reach = (name: string) => 0.71 * DIGIT * Math.min(characters, name.length) + 6;
  // The middle of its bars must lie so far right; space on the left moves it there by less.
  return names.reduce((most, name, at) => {
    const share = (at + 0.5) / names.length;
    return Math.max(most, (reach(name) - share * width) / (1 - share));
  }, 0);
}

/** A name in so many characters: it loses its middle, since names often differ at their ends. */
export function shortLabel(name: string, characters: number): string {
  if (name.length <= characters) return name;
  const end = Math.floor(0.6 * (characters - 1));
  return `${name.slice(0, characters - 1 - end)}…${name.slice(-end)}`;
}

/** From 0, where bars begin, to what is drawn furthest from it, with some air. */
function valueRange(
  series: BarsSeries,
  shown: readonly number[],
  references: readonly number[],
): [min: number, max: number] {
  let min = 0;
  let max = 0;
  const take = (value: number | null | undefined) => {
    if (value === null || value === undefined) return;
    if (value < min) min = value;
    if (value > max) max = value;
  };
  if (series.arrangement === "stacked") {
    series.categories.forEach((_, at) => {
      take(stackTotal(series, at, (group) => shown.includes(group)));
    });
  } else {
    for (const group of shown) {
      const { values = [], low = [], high = [] } = series.groups[group] ?? {};
      for (const list of [values, low, high]) list.forEach(take);
    }
  }
  for (const at of references) [series.references[at]?.value].flat().forEach(take);
  if (min === max) return [0, 1];
  return [min * 1.04, max * 1.04];
}

/** Where a bar is drawn; null where it has no value or is not shown. */
export function barBox(series: BarsSeries, layout: BarsLayout, ref: BarRef): Box | null {
  const row = layout.rows.find(({ groups }) => groups.includes(ref.group));
  const value = series.groups[ref.group]?.values[ref.category] ?? null;
  if (row === undefined || value === null) return null;
  const stacked = series.arrangement === "stacked";
  const place = row.groups.indexOf(ref.group);
  const below = (group: number) => row.groups.indexOf(group) < place && row.groups.includes(group);
  const base = stacked ? (stackTotal(series, ref.category, below) ?? 0) : 0;
  const from = toPixel(row.scale, base);
  const to = toPixel(row.scale, base + value);
  return {
    left: barLeft(layout, ref.category, stacked ? 0 : place, stacked ? 1 : row.groups.length),
    top: Math.min(from, to),
    width: layout.barWidth,
    height: Math.abs(to - from),
  };
}

/** Bars of one category stand together in its middle. */
function barLeft(layout: BarsLayout, category: number, place: number, count: number): number {
  const middle = layout.left + (category + 0.5) * layout.categoryWidth;
  return middle + (place - count / 2) * layout.barWidth;
}

/** The bar a pointer means: its category's, nearest to the point; null outside the plot. */
export function barAt(series: BarsSeries, layout: BarsLayout, x: number, y: number): BarRef | null {
  const category = Math.floor((x - layout.left) / layout.categoryWidth);
  const isInside = category >= 0 && category < series.categories.length && y < layout.bottom + 12;
  const row = layout.rows.find(({ scale }) => y < scale.from + 2) ?? layout.rows.at(-1);
  if (!isInside || row === undefined) return null;
  let best: BarRef | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  const isStack = series.arrangement === "stacked";
  row.groups.forEach((group, place) => {
    const ref = { category, group };
    const box = barBox(series, layout, ref);
    if (isStack && box === null) return;
    const distance = isStack
      ? outside(y, box?.top ?? 0, box?.height ?? 0)
      : outside(x, barLeft(layout, category, place, row.groups.length), layout.barWidth);
    if (distance >= bestDistance) return;
    best = ref;
    bestDistance = distance;
  });
  return best ?? (row.groups[0] === undefined ? null : { category, group: row.groups[0] });
}

const outside = (at: number, from: number, length: number) =>
  Math.max(from - at, at - from - length, 0);

/** The bar a key leads to: arrows sideways change the category, up and down the group. */
export function moveBar(
  series: BarsSeries,
  shown: readonly number[],
  from: BarRef | null,
  key: string,
): BarRef | null {
  const last = series.categories.length - 1;
  const sideways: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
  const across: Record<string, number> = { ArrowUp: -1, ArrowDown: 1 };
  const side = sideways[key];
  const group = across[key];
  if ((side === undefined && group === undefined) || shown.length === 0) return null;
  const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
  if (from === null) return { category: key === "End" ? last : 0, group: shown[0] ?? 0 };
  const place = clamp(shown.indexOf(from.group) + (group ?? 0), shown.length - 1);
  return { category: clamp(from.category + (side ?? 0), last), group: shown[place] ?? from.group };
}
