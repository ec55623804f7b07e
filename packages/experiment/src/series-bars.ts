import { z } from "zod";
import {
  intervalProblem,
  originFields,
  pictureName,
  pictureText,
  repeatedName,
  SERIES_LIMITS,
} from "./series-limits.ts";

const values = z.array(z.number().nullable()).max(SERIES_LIMITS.barCategories);

/** One set of bars, one for each category; `null` is no data. */
const barGroup = z.strictObject({
  name: pictureName,
  values,
  /** Ends of an interval around each value, in the same unit; both lists or none. */
  low: values.optional(),
  high: values.optional(),
});

/** A value to compare bars with: one for all categories, or one for each. */
const barReference = z.strictObject({
  name: pictureName,
  value: z.union([z.number(), values]),
  ...originFields,
});

/**
 * Bars over categories (layers, policies), one named group of bars for each condition, all in one
 * unit. `grouped` sets a category's bars side by side; `stacked` adds up parts of a whole, e.g. a
 * token's time. References are drawn as lines: a paper's claim with its provenance, a bound.
 */
export const barsSeriesSchema = z
  .strictObject({
    kind: z.literal("bars"),
    categoryLabel: pictureName,
    categories: z.array(pictureName).max(SERIES_LIMITS.barCategories),
    valueLabel: pictureName,
    valueUnit: pictureText.default(""),
    arrangement: z.enum(["grouped", "stacked"]).default("grouped"),
    groups: z.array(barGroup).max(SERIES_LIMITS.barGroups),
    references: z.array(barReference).max(SERIES_LIMITS.references).default([]),
    /** What a reader must know, e.g. what was left out. */
    note: pictureText.default(""),
  })
  .superRefine((series, context) => {
    const refuse = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    const category = repeatedName(series.categories.map((name) => ({ name })));
    if (category !== undefined) refuse(["categories"], `the category "${category}" occurs twice`);
    const name = repeatedName([...series.groups, ...series.references]);
    if (name !== undefined) refuse(["groups"], `two groups or references are called "${name}"`);
    const count = series.categories.length;
    series.groups.forEach((group, at) => {
      const problem = groupProblem(group, count, series.arrangement);
      if (problem !== undefined) refuse(["groups", at, problem.field], problem.message);
    });
    series.references.forEach(({ value }, at) => {
      if (Array.isArray(value) && value.length !== count) {
        refuse(["references", at, "value"], lengthText(value.length, count));
      }
    });
  });

/** Bars over categories. */
export type BarsSeries = z.infer<typeof barsSeriesSchema>;

function groupProblem(
  { values, low, high }: z.infer<typeof barGroup>,
  count: number,
  arrangement: "grouped" | "stacked",
): { field: string; message: string } | undefined {
  for (const [field, list] of Object.entries({ values, low, high })) {
    if (list !== undefined && list.length !== count) {
      return { field, message: lengthText(list.length, count) };
    }
  }
  if ((low === undefined) !== (high === undefined)) {
    return { field: "low", message: "intervals need both `low` and `high`" };
  }
  if (arrangement === "stacked" && low !== undefined) {
    return {
      field: "low",
      message: "a stack shows no intervals; use `grouped`, or leave them out",
    };
  }
  for (const [at, value] of values.entries()) {
    if (arrangement === "stacked" && value !== null && value < 0) {
      return { field: "values", message: `parts of a stack are not negative, got ${value}` };
    }
    const problem = intervalProblem(value, low?.[at], high?.[at]);
    if (problem !== undefined) return { field: "low", message: `at ${at}: ${problem}` };
  }
  return undefined;
}

const lengthText = (got: number, expected: number) =>
  `must have one value for each of the ${expected} categories, got ${got}`;
