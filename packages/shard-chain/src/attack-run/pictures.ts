import type { SeriesInput } from "@fmlab/experiment";
import type { SearchFindings } from "./findings.ts";

/** Rows of the longer tables. */
const ROWS_MAX = 500;

/** How many schedules broke what. */
export function kindBars({ broken }: SearchFindings): SeriesInput {
  const kinds = [...new Set(broken.map(({ kind }) => kind))];
  return {
    kind: "bars",
    categoryLabel: "broken",
    categories: kinds,
    valueLabel: "schedules",
    groups: [
      {
        name: "schedules",
        values: kinds.map((kind) => broken.filter((one) => one.kind === kind).length),
      },
    ],
    note: kinds.length === 0 ? "no schedule broke anything" : "",
  };
}

/** Faults of the smallest counterexample over time. */
export function counterexampleBars({ smallest }: SearchFindings): SeriesInput {
  const bars = smallest?.bars ?? [];
  const lanes = [...new Set(bars.map(({ lane }) => lane))].sort();
  return {
    kind: "timeline",
    lanes: lanes.length === 0 ? ["network"] : lanes,
    events: bars.map(({ lane, startMs, endMs, label }) => ({
      lane: lanes.indexOf(lane),
      startMs,
      endMs,
      label,
      category: label,
    })),
    note: smallest === undefined ? "no schedule broke anything" : "every part of it is needed",
  };
}

/** Who was convicted, by what. */
export function culpritTable({ convicted }: SearchFindings): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "seed", title: "Seed", type: "number" },
      { key: "where", title: "Chain", type: "text" },
      { key: "validator", title: "Validator", type: "number" },
      { key: "power", title: "Power", type: "number" },
      { key: "evidence", title: "Evidence", type: "text" },
    ],
    rows: convicted
      .slice(0, ROWS_MAX)
      .map(({ evidence, ...rest }) => ({ ...rest, evidence: evidence.join(", ") })),
  };
}

/** Every schedule that broke something. */
export function foundTable({ broken }: SearchFindings): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "seed", title: "Seed", type: "number" },
      { key: "kind", title: "Broken", type: "text" },
      { key: "what", title: "What was found", type: "text" },
    ],
    rows: broken.slice(0, ROWS_MAX).map(({ seed, kind, what }) => ({ seed, kind, what })),
  };
}

/** The smallest counterexample as data. */
export function scenarioText({ smallest }: SearchFindings): SeriesInput {
  const text = smallest === undefined ? "No schedule broke anything." : linesOf(smallest.scenario);
  return { kind: "text", blocks: [{ title: "Smallest counterexample", text }] };
}

/** JSON with a line a part, so that it is read from top to bottom and still is JSON. */
function linesOf(scenario: unknown): string {
  const parts = Object.entries(scenario as object).map(
    ([name, part]) => `  ${JSON.stringify(name)}: ${JSON.stringify(part)}`,
  );
  return `{\n${parts.join(",\n")}\n}`;
}
