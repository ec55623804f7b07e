import type { SeriesInput } from "../src/index.ts";

type Input<Kind> = Extract<SeriesInput, { kind: Kind }>;

/** Hit rates of two policies by layer, beside a paper's claim and a bound. */
export const BARS: Input<"bars"> = {
  kind: "bars",
  categoryLabel: "layer",
  categories: ["0", "1"],
  valueLabel: "hit rate",
  valueUnit: "%",
  groups: [
    { name: "LRU", values: [50, null], low: [48, null], high: [53, null] },
    { name: "ours", values: [60, 70] },
  ],
  references: [
    { name: "claim", value: 99, provenance: "paper", source: "section 5" },
    { name: "bound", value: [80, 90] },
  ],
};

/** Memory against speed of two policies, with a bound. */
export const SCATTER: Input<"scatter"> = {
  kind: "scatter",
  x: { label: "memory", unit: "MiB", scale: "log", better: "lower" },
  y: { label: "speed", unit: "tok/s", better: "higher" },
  front: true,
  groups: [
    {
      name: "LRU",
      joined: true,
      points: [
        { x: 10, y: 5, label: "quarter", low: 4, high: 6 },
        { x: 20, y: null },
      ],
    },
    { name: "ours", points: [{ x: 10, y: 7 }] },
  ],
  bounds: [
    {
      name: "link",
      points: [
        { x: 10, y: 8 },
        { x: 20, y: 9 },
      ],
    },
  ],
};
