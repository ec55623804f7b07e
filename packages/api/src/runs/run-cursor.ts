import { z } from "zod";
import { ApiError } from "../errors.ts";
import { plainText } from "../plain-text.ts";

const MOMENT = /^[1-9]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-](0\d|1[0-5])(:[0-5]\d){0,2}$/;
const NUMBER = /^-?\d+(\.\d+)?(e[+-]\d+)?$/;

/** Sort values by their Postgres type, as it writes them; it fails a query on anything else. */
const VALUES = {
  timestamptz: z.string().refine((value) => /^-?infinity$/.test(value) || isMoment(value)),
  float8: z.string().refine((value) => /^(NaN|-?Infinity)$/.test(value) || isNumber(value)),
  text: plainText(1_000),
};

/** Types that a sort value can have. */
export type CursorType = keyof typeof VALUES;

/**
 * The sort value and the run that a page ended with.
 *
 * @throws ApiError `BAD_REQUEST` when the list gave no such cursor for a sort of this type
 */
export function parseRunCursor(cursor: string, type: CursorType): [value: string, id: string] {
  try {
    return z.tuple([VALUES[type], z.uuid()]).parse(JSON.parse(cursor));
  } catch (cause) {
    throw new ApiError(
      "the cursor is not one that this list gave for this sort: start from the beginning",
      { code: "BAD_REQUEST", field: "cursor" },
      { cause },
    );
  }
}

/** A day of the calendar, too: there is no 30th of February. */
function isMoment(value: string): boolean {
  if (!MOMENT.test(value)) return false;
  const seconds = value.slice(0, 19).replace(" ", "T");
  const date = new Date(`${seconds}Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(seconds);
}

/** In a double's range: not beyond it, and not so small that it would round to zero. */
function isNumber(value: string): boolean {
  const number = Number(value);
  if (!NUMBER.test(value) || !Number.isFinite(number)) return false;
  return number !== 0 || !/[1-9]/.test(value.replace(/e.*/, ""));
}
