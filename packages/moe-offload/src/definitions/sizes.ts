import { z } from "zod";

/** Bytes of each unit of memory; `GB` counts in thousands, as makers do. */
const MEMORY_UNITS = { B: 1, KB: 1e3, KiB: 2 ** 10, MB: 1e6, MiB: 2 ** 20, GB: 1e9, GiB: 2 ** 30 };
/** MB/s of each unit of speed, 1 MB = 1e6 bytes. */
const SPEED_UNITS = { "MB/s": 1, "MiB/s": 2 ** 20 / 1e6, "GB/s": 1e3, "GiB/s": 2 ** 30 / 1e6 };

/** Config field `vram`: what a card may give, in place of a number of experts. */
export function vramField(instead: string) {
  return sizeField(
    MEMORY_UNITS,
    "expected a size such as 8GiB or 6.5 GB",
    "Memory of the card that may be used in all, such as 8GiB: experts get what weights, cache " +
      `and scratch leave of it. Takes the place of ${instead}; empty: does not.`,
  );
}

/** Config field `linkSpeed`: the link's bandwidth with its unit. */
export function linkSpeedField(instead: string) {
  return sizeField(
    SPEED_UNITS,
    "expected a speed such as 12GB/s or 800 MB/s",
    `Bandwidth into fast memory, such as 12GB/s. Takes the place of ${instead}; empty: does not.`,
  );
}

/** Bytes that a `vram` field says; undefined where it is empty. */
export function bytesOf(text: string): number | undefined {
  const value = amountOf(text, MEMORY_UNITS);
  return value === undefined ? undefined : Math.floor(value);
}

/** MB/s that a `linkSpeed` field says; undefined where it is empty. */
export function megabytesPerSecondOf(text: string): number | undefined {
  return amountOf(text, SPEED_UNITS);
}

function sizeField(units: Record<string, number>, expected: string, description: string) {
  const isKnown = (text: string) => text === "" || (amountOf(text, units) ?? 0) > 0;
  return z
    .string()
    .max(64)
    .refine(isKnown, { message: `${expected}; units are ${Object.keys(units).join(", ")}` })
    .default("")
    .describe(description);
}

/** A number with one of the units behind it; undefined for anything else. */
function amountOf(text: string, units: Record<string, number>): number | undefined {
  const [, digits = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z/]+)\s*$/.exec(text) ?? [];
  const size = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return size === undefined ? undefined : Number(digits) * size;
}
