import { formatTable } from "../paired.ts";
import type { CpuMissResult } from "./cpu-misses.ts";
import type { GreedyResult } from "./greedy-text.ts";
import type { LogitComparison, NearTie } from "./logit-comparison.ts";
import type { ModelParity } from "./parity-on-model.ts";
import type { PolicyReport } from "./policies-on-device.ts";
import { type QuantisationResult, relativeDifference } from "./quantisations.ts";

/** Shows a token in a text. */
export type ShowToken = (token: number) => string;

const COMPARISON_HEAD = ["rows", "max |d|", "mean |d|", "KL mean", "KL max", "same argmax"];

const small = (value: number) => (value === 0 ? "0" : value.toExponential(1));

/** A model file on the device against the CPU, as text. */
export function modelText(parity: ModelParity, show: ShowToken): string {
  const { exact, firstChange, forced, greedy, prefill, prefillLengths, sameRoutingSteps, split } =
    parity;
  const rows = [
    ["", ...COMPARISON_HEAD],
    comparisonRow("one graph a token", forced),
    comparisonRow("one graph a layer", split),
    comparisonRow(`prompts of ${prefillLengths.join(", ")}`, prefill),
    ...(exact
      ? [
          comparisonRow("CPU against F32 weights", exact.cpu),
          comparisonRow("device against F32 weights", exact.device),
        ]
      : []),
  ];
  const routing = firstChange
    ? `routing: the same for ${sameRoutingSteps} tokens; then other experts in layer rank ` +
      `${firstChange.layer}, between which the router decides by ${small(firstChange.margin)}`
    : "routing: the same experts for every token";
  return [
    `${formatTable(rows)}\nlogits spread by ${forced.spread.toFixed(3)}`,
    routing,
    ...greedyLines(greedy, show),
    ...tieLines("one graph a token", forced, show),
    ...tieLines("one graph a layer", split, show),
    ...tieLines("prompts", prefill, show),
  ].join("\n");
}

/** Types of weights, as text. */
export function quantisationText(results: readonly QuantisationResult[]): string {
  const head = [
    ...[
      "weights",
      "max |d| / spread",
      "of prompts",
      "tolerance",
      "CPU to exact",
      "device to exact",
    ],
    ...["KL max", "rows", "rerouted", "same argmax", ""],
  ];
  const rows = results.map((one) => [
    one.type,
    one.relativeMax.toFixed(4),
    relativeDifference(one.prefill).toFixed(4),
    one.tolerance.toFixed(4),
    one.cpuToExact.toFixed(4),
    one.deviceToExact.toFixed(4),
    small(one.comparison.klMax),
    `${one.comparison.rows}/${one.tokens}`,
    String(one.changes.length),
    `${(100 * one.comparison.argmaxAgreement).toFixed(1)} %`,
    one.isWithin ? "" : "OUTSIDE",
  ]);
  const ties = results.flatMap((one) => tieLines(one.type, one.comparison, String));
  const changes = results.flatMap(({ changes: all, type }) =>
    all.map(
      ({ layer, margin, step }) =>
        `  ${type}: token ${step} rerouted in layer ${layer}, decided by ${small(margin)}`,
    ),
  );
  return [formatTable([head, ...rows]), ...ties, ...changes].join("\n");
}

/** Strategies, as text. */
export function policyText({ results, skipped }: PolicyReport): string {
  const rows = results.map(({ budgetShare, differentTokens, host, loads, strategy, tokens }) => [
    strategy,
    `${(100 * budgetShare).toFixed(0)} %`,
    host,
    String(loads),
    differentTokens === 0 ? `all ${tokens} identical` : `${differentTokens} of ${tokens} DIFFER`,
  ]);
  const table = formatTable([["strategy", "budget", "host tier", "loads", "tokens"], ...rows]);
  return [table, ...skipped.map(({ reason, strategy }) => `  ${strategy}: ${reason}`)].join("\n");
}

/** Missed experts on the CPU, as text. */
export function cpuMissText(results: readonly CpuMissResult[]): string {
  const head = ["strategy", "budget", "on the CPU", ...COMPARISON_HEAD];
  const rows = results.map(({ budgetShare, comparison, cpuComputed, strategy }) => {
    const [, ...compared] = comparisonRow("", comparison);
    return [strategy, `${(100 * budgetShare).toFixed(0)} %`, String(cpuComputed), ...compared];
  });
  return formatTable([head, ...rows]);
}

function comparisonRow(name: string, one: LogitComparison): string[] {
  return [
    name,
    String(one.rows),
    small(one.differenceMax),
    small(one.differenceMean),
    small(one.klMean),
    small(one.klMax),
    `${(100 * one.argmaxAgreement).toFixed(1)} %`,
  ];
}

/** The text that machines write by themselves, then every step of the one that both follow. */
function greedyLines({ followed, nearTie, sameTokens, tokens }: GreedyResult, show: ShowToken) {
  const { differences, tolerance } = followed;
  const free = nearTie
    ? `greedy text: diverges at step ${sameTokens} of ${tokens}: ${tieText(nearTie, show)}`
    : `greedy text: identical, ${tokens} tokens`;
  const wrong = differences.filter(({ isNearTie }) => !isNearTie).length;
  const verdict =
    differences.length === 0
      ? "identical"
      : wrong === 0
        ? `identical except ${differences.length} near ties`
        : `${wrong} of ${differences.length} differences are NO near ties`;
  const lines = differences.map((one) => {
    const share = (value: number) => value.toPrecision(2);
    const routing = one.rerouted
      ? `rerouted in layer rank ${one.rerouted.layer}, decided by ${small(one.rerouted.margin)}`
      : "the same experts";
    return (
      `  step ${one.tie.step}: ${tieText(one.tie, show)}; of the tolerance ` +
      `${share(one.referenceShare)} and ${share(one.deviceShare)}; ${routing}` +
      (one.isNearTie ? "" : "; NO NEAR TIE")
    );
  });
  const head = `along the CPU's greedy text: ${verdict} (gaps below ${tolerance.toFixed(3)})`;
  return [free, head, ...lines];
}

function tieLines(name: string, { nearTies }: LogitComparison, show: ShowToken): string[] {
  return nearTies.map((tie) => `  ${name}, row ${tie.step}: ${tieText(tie, show)}`);
}

function tieText({ device, deviceGap, reference, referenceGap }: NearTie, show: ShowToken): string {
  const logit = (value: number) => value.toFixed(4);
  return (
    `CPU ${show(reference.token)} ${logit(reference.referenceLogit)} over ` +
    `${show(device.token)} ${logit(device.referenceLogit)} (gap ${small(referenceGap)}); ` +
    `device ${logit(reference.deviceLogit)} under ${logit(device.deviceLogit)} ` +
    `(gap ${small(deviceGap)})`
  );
}
