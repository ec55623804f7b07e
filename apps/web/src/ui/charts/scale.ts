import { formatBytes, formatNumber, shownUnit } from "../format/number.ts";

/** Values mapped to pixels. */
export interface Scale {
  kind: "linear" | "log";
  min: number;
  max: number;
  /** Pixels of `min` and `max`; a y axis has the larger pixel first. */
  from: number;
  to: number;
}

/** The pixel of a value; what a log axis cannot show lies far outside, on its lower side. */
export function toPixel(scale: Scale, value: number): number {
  const { from, to } = scale;
  const at = position(scale, value);
  return Number.isFinite(at) ? from + at * (to - from) : from - 10_000 * Math.sign(to - from);
}

function position({ kind, min, max }: Scale, value: number): number {
  if (kind === "linear") return (value - min) / (max - min);
  return value > 0 ? Math.log(value / min) / Math.log(max / min) : Number.NEGATIVE_INFINITY;
}

/** About `count` round values inside a range; powers of two where the unit is bytes. */
export function niceTicks(min: number, max: number, count: number, unit = ""): number[] {
  const rough = (max - min) / Math.max(1, count);
  if (!(rough > 0) || !Number.isFinite(rough)) return [min];
  const step = unit === "B" ? 2 ** Math.ceil(Math.log2(rough)) : roundStep(rough);
  const found: number[] = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) {
    found.push(Number((i * step).toPrecision(12)));
  }
  // One tick is no scale; a few too many are one.
  return found.length < 2 && count < 16 ? niceTicks(min, max, 2 * count, unit) : found;
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((m) => m * power).find((size) => size >= rough) ?? rough;
}

/** At most about `count` round values of a log axis: 1, 2, 5, or powers alone where it is long. */
export function logTicks(min: number, max: number, count: number, unit = ""): number[] {
  const base = unit === "B" ? 2 : 10;
  const powers = Math.log(max / min) / Math.log(base);
  // Less than about a third of a decade has no powers to speak of.
  if (max / min < 2.2) return niceTicks(min, max, count, unit);
  const factors = base === 10 && powers * 3 <= count ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(powers / Math.max(1, count)));
  const found: number[] = [];
  const first = Math.floor(Math.log(min) / Math.log(base));
  for (let power = first; base ** power <= max; power += 1) {
    if (power % stride !== 0) continue;
    for (const factor of factors) {
      const value = Number((factor * base ** power).toPrecision(12));
      if (value >= min * (1 - 1e-9) && value <= max * (1 + 1e-9)) found.push(value);
    }
  }
  return found.length >= 2 ? found : niceTicks(min, max, count, unit);
}

/** A scale's ticks. */
export function scaleTicks(scale: Scale, count: number, unit = ""): number[] {
  const { kind, min, max } = scale;
  return kind === "log" ? logTicks(min, max, count, unit) : niceTicks(min, max, count, unit);
}

/** The text of a tick. */
export function tickText(value: number, unit: string): string {
  return unit === "B" ? formatBytes(value) : formatNumber(value);
}

/** `speed (tok/s)`; bytes are told beside each number. */
export function axisText(label: string, unit: string): string {
  return unit === "" || unit === "B" ? label : `${label} (${shownUnit(unit)})`;
}
