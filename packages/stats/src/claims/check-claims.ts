import {
  type Claim,
  type Fidelity,
  measuredGroups,
  type Provenance,
  type RunGroup,
} from "@fmlab/experiment";
import type { NamedClaim } from "./load-claims.ts";
import type { RunFolder } from "./load-run-folders.ts";
import { type Measured, measureClaim } from "./measure-claim.ts";
import { type SelectedRuns, selectRuns } from "./select-runs.ts";

/**
 * `supported`: the interval lies in the expected range. `contradicted`: it lies outside.
 * `inconclusive`: it crosses the edge, or the runs are not one condition. `untested`: runs are
 * missing.
 */
export const VERDICTS = ["supported", "contradicted", "inconclusive", "untested"] as const;
/** What our runs say of a claim. */
export type VerdictWord = (typeof VERDICTS)[number];

/** A run that a claim still needs, and the command that makes it. */
export interface MissingRun {
  group: string;
  seed: number;
  command: string;
}

/** What our runs say of one claim, with everything needed to check it again. */
export interface Verdict {
  slug: string;
  title: string;
  provenance: Provenance;
  verdict: VerdictWord;
  /** Why, in one sentence. */
  reason: string;
  /** The measured value; null when untested or not a number. */
  value: number | null;
  /** Interval over seeds; null below 3 seeds and for `same`. */
  interval: { low: number; high: number; level: number } | null;
  unit: string;
  /** The expected range, in words. */
  expected: string;
  /** Seeds behind the value. */
  n: number;
  /** Fidelities of the runs used, each once. */
  fidelity: Fidelity[];
  /**
   * Processor models of the runs used, each once; more than one makes wall-clock values hard to
   * compare.
   */
  machines: string[];
  /** Run folders used. */
  folders: string[];
  /** Runs that match but do not count, and why. */
  leftOut: string[];
  missing: MissingRun[];
}

/**
 * Compares claims with run folders.
 *
 * Within a group all runs must have one config (else `inconclusive`); several runs of a seed are
 * averaged first, since the seed is the replication unit. Intervals are Student's t at 95 %: of the
 * values, of the paired (or Welch) differences, or of the logarithms for ratios.
 *
 * @throws StatsError `BAD_RUN_FOLDER` when a selected run has no such quantity, `NOT_POSITIVE` for
 *         a ratio of values that are not
 */
export async function checkClaims(
  claims: readonly NamedClaim[],
  folders: readonly RunFolder[],
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const named of claims) verdicts.push(await checkClaim(named, folders));
  return verdicts;
}

async function checkClaim({ slug, claim }: NamedClaim, folders: readonly RunFolder[]) {
  const groups = measuredGroups(claim.measure);
  const selected = new Map(
    groups.map((name) => [name, selectRuns(claim, claim.runs.groups[name] as RunGroup, folders)]),
  );
  const runs = [...selected.values()].flatMap((group) => group.runs);
  const missing = missingRuns(slug, claim, selected);
  const base: Verdict = {
    slug,
    title: claim.title,
    provenance: claim.provenance,
    verdict: "untested",
    reason: "",
    value: null,
    interval: null,
    unit: claim.unit,
    expected: tellExpected(claim),
    n: 0,
    fidelity: unique(runs.map((run) => run.record.fidelity)),
    machines: unique(runs.map((run) => run.record.machine.cpuModel)),
    folders: unique(runs.map((run) => run.folder)),
    leftOut: [...selected].flatMap(([name, { leftOut }]) =>
      leftOut.map((why) => `${name}: ${why}`),
    ),
    missing,
  };
  if (missing.length > 0) return { ...base, reason: tellMissing(claim, missing) };
  const mixed = [...selected].find(([, group]) => group.mixedFields.length > 0);
  if (mixed !== undefined) {
    const [name, { mixedFields }] = mixed;
    const reason = `runs of the group ${name} differ in ${mixedFields.join(", ")}; narrow its selector`;
    return { ...base, verdict: "inconclusive" as const, reason };
  }
  const bySeed = new Map([...selected].map(([name, group]) => [name, groupBySeed(group)]));
  return { ...base, ...judge(claim, await measureClaim(claim, bySeed)) };
}

function judge(claim: Claim, measured: Measured): Partial<Verdict> {
  if (measured.of === "same") {
    const { seeds, differing } = measured;
    return differing.length === 0
      ? { verdict: "supported", reason: `equal for all ${seeds} seeds`, n: seeds }
      : {
          verdict: "contradicted",
          reason: `differs for seed ${differing.join(", ")} of ${seeds} seeds`,
          n: seeds,
        };
  }
  const { value, interval, n, low, high } = measured;
  const [from, to] = expectedRange(claim);
  const told = interval === null ? "the values" : "the interval";
  const found = { value, interval, n };
  if (low >= from && high <= to) {
    return { ...found, verdict: "supported", reason: `${told} lies in the expected range` };
  }
  if (high < from || low > to) {
    return { ...found, verdict: "contradicted", reason: `${told} lies outside the expected range` };
  }
  const edge = `${told} crosses the edge of the expected range; run more seeds`;
  return { ...found, verdict: "inconclusive", reason: edge };
}

/**
 * The expected values, both ends included. A hair is added for the rounding of exact expectations.
 */
function expectedRange({ expected }: Claim): [from: number, to: number] {
  const hair = (value: number) => Math.abs(value) * 1e-12;
  if ("atLeast" in expected) {
    return [expected.atLeast - hair(expected.atLeast), Number.POSITIVE_INFINITY];
  }
  if ("atMost" in expected) {
    return [Number.NEGATIVE_INFINITY, expected.atMost + hair(expected.atMost)];
  }
  if ("same" in expected) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const { value, tolerance } = expected;
  const width = "relative" in tolerance ? Math.abs(value) * tolerance.relative : tolerance.absolute;
  return [value - width - hair(value), value + width + hair(value)];
}

function tellExpected({ expected }: Claim): string {
  if ("atLeast" in expected) return `>= ${expected.atLeast}`;
  if ("atMost" in expected) return `<= ${expected.atMost}`;
  if ("same" in expected) return "the same";
  const { value, tolerance } = expected;
  return "relative" in tolerance
    ? `${value} ± ${Number((tolerance.relative * 100).toPrecision(6))} %`
    : `${value} ± ${tolerance.absolute}`;
}

function groupBySeed({ runs }: SelectedRuns): Map<number, RunFolder[]> {
  const bySeed = new Map<number, RunFolder[]>();
  for (const run of runs) {
    bySeed.set(run.record.seed, [...(bySeed.get(run.record.seed) ?? []), run]);
  }
  return bySeed;
}

/**
 * The runs without which the claim cannot be judged. Groups compared seed by seed need the same
 * seeds: those that some group has come first, then the lowest unused ones from 0.
 */
function missingRuns(
  slug: string,
  claim: Claim,
  selected: ReadonlyMap<string, SelectedRuns>,
): MissingRun[] {
  const seedsOf = [...selected].map(
    ([name, { runs }]) => [name, new Set(runs.map((run) => run.record.seed))] as const,
  );
  const isPaired =
    claim.measure.of === "same" ||
    (claim.measure.of !== "value" && claim.measure.pairedBy === "seed");
  const shared = isPaired
    ? [...(seedsOf[0]?.[1] ?? [])].filter((seed) => seedsOf.every(([, seeds]) => seeds.has(seed)))
    : [];
  const anywhere = isPaired ? new Set(seedsOf.flatMap(([, seeds]) => [...seeds])) : undefined;
  return seedsOf.flatMap(([name, own]) => {
    const counted = isPaired ? shared.length : own.size;
    const candidates = anywhere === undefined ? [] : [...anywhere].sort((a, b) => a - b);
    const wanted = candidates.filter((seed) => !shared.includes(seed));
    for (let seed = 0; wanted.length < claim.runs.seedsMin - counted; seed++) {
      if (!own.has(seed) && !anywhere?.has(seed)) wanted.push(seed);
    }
    return wanted
      .slice(0, Math.max(0, claim.runs.seedsMin - counted))
      .filter((seed) => !own.has(seed))
      .map((seed) => ({ group: name, seed, command: commandFor(slug, claim, name, seed) }));
  });
}

function commandFor(slug: string, claim: Claim, group: string, seed: number): string {
  const selector = claim.runs.groups[group] as RunGroup;
  const config =
    "preset" in selector ? [`--preset ${selector.preset}`] : assignments(selector.config, "");
  const options = [...config, `--seed ${seed}`, `--out experiments/${slug}/${group}-seed-${seed}`];
  return `npx --no-install fmlab exec ${claim.runs.kind} ${options.join(" ")}`;
}

/** `--set path=value` for each field; quoted where a shell would read more into it. */
function assignments(config: Record<string, unknown>, prefix: string): string[] {
  return Object.entries(config).flatMap(([name, value]) => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return assignments(value as Record<string, unknown>, `${prefix}${name}.`);
    }
    // Text that reads as JSON must be quoted as JSON to stay text.
    const isPlain = typeof value === "string" && /^[A-Za-z][\w./-]*$/.test(value);
    const isWord = isPlain && !["true", "false", "null"].includes(value);
    const assignment = `${prefix}${name}=${isWord ? value : JSON.stringify(value)}`;
    const isSafe = /^[\w./=-]+$/.test(assignment);
    return [`--set ${isSafe ? assignment : `'${assignment.replaceAll("'", "'\\''")}'`}`];
  });
}

function tellMissing(claim: Claim, missing: readonly MissingRun[]): string {
  const counts = new Map<string, number>();
  for (const { group } of missing) counts.set(group, (counts.get(group) ?? 0) + 1);
  const told = [...counts].map(([group, count]) => `${count} of ${group}`).join(", ");
  return `${claim.runs.seedsMin} seeds are needed; runs missing: ${told}`;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)].sort();
}
