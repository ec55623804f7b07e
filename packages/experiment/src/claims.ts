import { z } from "zod";
import { FIDELITIES } from "./metrics.ts";

/**
 * A claim: what a paper (or this project) says, where it says so, which runs test it, and which
 * value would bear it out. One file `claims/<slug>.json` each; `fmlab claims check` compares it
 * with run folders.
 *
 *     {
 *       "format": 1,
 *       "title": "LRU decodes faster than load on demand",
 *       "statement": "Caching the most recently used experts speeds up decoding by at least 20 %.",
 *       "source": { "paper": "arXiv:0000.00000", "section": "5.2, table 3" },
 *       "provenance": "paper",
 *       "runs": {
 *         "kind": "moe-offload.decode",
 *         "seedsMin": 5,
 *         "groups": {
 *           "lru": { "config": { "policy": "lru" } },
 *           "onDemand": { "config": { "policy": "on-demand" } }
 *         }
 *       },
 *       "measure": {
 *         "of": "ratio", "left": "lru", "right": "onDemand",
 *         "quantity": { "summary": "decodeTokensPerSecond" }
 *       },
 *       "expected": { "atLeast": 1.2 }
 *     }
 */
export const CLAIM_FORMAT = 1;

/**
 * How the statement reached us. `paper`: read in the paper itself. `code`: read in its published
 * code. `second-hand`: another text reports it. `reconstruction`: derived here from what the paper
 * gives. `recall`: written from memory, not yet looked up. `ours`: this project's own statement.
 */
export const PROVENANCES = [
  "paper",
  "code",
  "second-hand",
  "reconstruction",
  "recall",
  "ours",
] as const;
export type Provenance = (typeof PROVENANCES)[number];

/** Runs that count as one condition. */
export const runGroupSchema = z.union([
  /** Runs launched from this preset. */
  z.strictObject({ preset: z.string().min(1) }),
  /**
   * Runs whose config holds at least these fields with these values; nested objects are matched
   * field by field, everything else as a whole. What is not named must still be equal within a
   * group.
   */
  z.strictObject({ config: z.record(z.string(), z.unknown()) }),
]);
export type RunGroup = z.infer<typeof runGroupSchema>;

/** One number (or, for `same`, any JSON value) of one run. */
export const quantitySchema = z.union([
  /** Dotted path into summary.json, e.g. `decodeTokensPerSecond` or `layers.0.hitRate`. */
  z.strictObject({ summary: z.string().min(1) }),
  /** A stored metric key, e.g. `hitRate{layer=3}`, and how its points become one number. */
  z.strictObject({
    metric: z.string().min(1),
    over: z.enum(["mean", "last", "min", "max", "sum"]).default("mean"),
  }),
  /** Dotted path into the run's config. */
  z.strictObject({ config: z.string().min(1) }),
]);
export type Quantity = z.infer<typeof quantitySchema>;

/** What is computed from the selected runs. The seed is the replication unit everywhere. */
export const measureSchema = z.discriminatedUnion("of", [
  /** The quantity of one group; divided by another quantity of the same run if `per` is given. */
  z.strictObject({
    of: z.literal("value"),
    group: z.string(),
    quantity: quantitySchema,
    per: quantitySchema.optional(),
  }),
  /** left / right or left - right, between two groups. */
  z.strictObject({
    of: z.enum(["ratio", "difference"]),
    left: z.string(),
    right: z.string(),
    quantity: quantitySchema,
    /**
     * `seed`: run with seed s of one group belongs to that of the other. `nothing`: independent.
     */
    pairedBy: z.enum(["seed", "nothing"]).default("seed"),
  }),
  /** Whether every seed gives the same value (number, text, list) in all groups. */
  z.strictObject({
    of: z.literal("same"),
    groups: z.array(z.string()).min(2),
    quantity: quantitySchema,
  }),
]);
export type Measure = z.infer<typeof measureSchema>;

/** The values that bear the claim out. */
export const expectedSchema = z.union([
  z.strictObject({
    value: z.number(),
    tolerance: z.union([
      /** Share of |value|, e.g. 0.1 for 10 %. */
      z.strictObject({ relative: z.number().min(0) }),
      z.strictObject({ absolute: z.number().min(0) }),
    ]),
  }),
  z.strictObject({ atLeast: z.number() }),
  z.strictObject({ atMost: z.number() }),
  z.strictObject({ same: z.literal(true) }),
]);
export type Expected = z.infer<typeof expectedSchema>;

/** The content of a claim file. */
export const claimSchema = z
  .strictObject({
    format: z.literal(CLAIM_FORMAT),
    title: z.string().min(1).max(120),
    /** The claim in one or two sentences, in words that the measure below makes exact. */
    statement: z.string().min(1),
    source: z.strictObject({
      /** Identifier or full citation; `this project` for our own. */
      paper: z.string().min(1),
      section: z.string().min(1),
      url: z.url().optional(),
    }),
    provenance: z.enum(PROVENANCES),
    runs: z.strictObject({
      kind: z.string(),
      groups: z.record(z.string(), runGroupSchema),
      /**
       * Seeds needed in every group. Below 3 there is no interval: only for what chance cannot
       * move.
       */
      seedsMin: z.number().int().min(1).max(1_000).default(3),
      /**
       * Runs of any other fidelity are left out: a simulated result never passes as a measured one.
       */
      fidelity: z.array(z.enum(FIDELITIES)).min(1).default(["measured", "emulated"]),
    }),
    measure: measureSchema,
    expected: expectedSchema,
    /** Unit of the measured value, for display. */
    unit: z.string().default(""),
    /** What a reader must know to judge the comparison, e.g. how our set-up differs. */
    note: z.string().default(""),
  })
  .superRefine((claim, context) => {
    for (const group of measuredGroups(claim.measure)) {
      if (Object.hasOwn(claim.runs.groups, group)) continue;
      context.addIssue({
        code: "custom",
        path: ["measure"],
        message: `names the group "${group}", which runs.groups does not have`,
      });
    }
    if ("same" in claim.expected !== (claim.measure.of === "same")) {
      context.addIssue({
        code: "custom",
        path: ["expected"],
        message: '"same" is expected of a measure of "same", and of no other',
      });
    }
  });
export type Claim = z.infer<typeof claimSchema>;

/** The groups a measure is computed from, in its order. */
export function measuredGroups(measure: Measure): string[] {
  if (measure.of === "value") return [measure.group];
  return measure.of === "same" ? measure.groups : [measure.left, measure.right];
}
