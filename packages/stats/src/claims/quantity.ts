import type { Quantity } from "@fmlab/experiment";
import { mean } from "../descriptive.ts";
import { StatsError } from "../errors.ts";
import type { RunFolder } from "./load-run-folders.ts";

/**
 * Reads a quantity as a number out of a run.
 *
 * @throws StatsError `BAD_RUN_FOLDER` when the run has no such number
 */
export async function readNumber(run: RunFolder, quantity: Quantity): Promise<number> {
  const value = await readQuantity(run, quantity);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw missing(run, quantity, `is ${JSON.stringify(value)}, not a finite number`);
}

/**
 * Reads a quantity as whatever it is: a number, a text, a list.
 *
 * @throws StatsError `BAD_RUN_FOLDER` when the run has nothing there
 */
export async function readQuantity(run: RunFolder, quantity: Quantity): Promise<unknown> {
  if ("metric" in quantity) return combine(run, quantity);
  const [root, path] =
    "summary" in quantity ? [run.summary, quantity.summary] : [run.record.config, quantity.config];
  const value = valueAt(root, path);
  if (value === undefined) throw missing(run, quantity, "is not there");
  return value;
}

/** The words for a quantity in tables and errors. */
export function tellQuantity(quantity: Quantity): string {
  if ("summary" in quantity) return quantity.summary;
  if ("config" in quantity) return `config ${quantity.config}`;
  return `${quantity.over} of ${quantity.metric}`;
}

async function combine(
  run: RunFolder,
  quantity: Extract<Quantity, { metric: string }>,
): Promise<number> {
  const values = await run.metricValues(quantity.metric);
  if (values.length === 0) throw missing(run, quantity, "has no points");
  switch (quantity.over) {
    case "mean":
      return mean(values);
    case "last":
      return values.at(-1) as number;
    case "min":
      return values.reduce((a, b) => Math.min(a, b));
    case "max":
      return values.reduce((a, b) => Math.max(a, b));
    case "sum":
      return mean(values) * values.length;
  }
}

function valueAt(root: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => {
    const known = typeof value === "object" && value !== null && Object.hasOwn(value, name);
    return known ? (value as Record<string, unknown>)[name] : undefined;
  }, root);
}

function missing(run: RunFolder, quantity: Quantity, problem: string): StatsError {
  const told = `${tellQuantity(quantity)} ${problem}`;
  return new StatsError(`run folder ${run.folder}: ${told}`, {
    code: "BAD_RUN_FOLDER",
    folder: run.folder,
    problem: told,
  });
}
