/** Shown where a number is missing: an en dash, never 0. */
export const MISSING = "–";

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/**
 * A number for people: about four significant digits, thousands separated, no trailing zeros.
 * Very large and very small magnitudes fall back to exponents.
 */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return value.toExponential(2);
  if (Number.isInteger(value)) return value.toLocaleString("en-US");
  const digits = Math.max(0, Math.min(6, 3 - Math.floor(Math.log10(size))));
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/** Bytes in binary units, e.g. `1.5 MiB`. */
export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return MISSING;
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits })} ${BINARY[unit]}`;
}

/** A unit as it is shown: its own sign for what code writes in plain letters. */
export const shownUnit = (unit: string): string => (unit === "x" ? "×" : unit);

/** A value with its unit as two strings, so that the unit can be set quieter than the number. */
export function splitValue(
  value: number | null | undefined,
  unit: string,
): { number: string; unit: string } {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return { number: MISSING, unit: "" };
  }
  if (unit === "B" || unit === "bytes") {
    const [number = MISSING, scaled = ""] = formatBytes(value).split(" ");
    return { number, unit: scaled };
  }
  return { number: formatNumber(value), unit: shownUnit(unit) };
}

/** `12.3 tok/s`; a pure number has no unit. */
export function formatValue(value: number | null | undefined, unit: string): string {
  const split = splitValue(value, unit);
  return split.unit === "" ? split.number : `${split.number} ${split.unit}`;
}

/** `1 run`, `2 runs`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
