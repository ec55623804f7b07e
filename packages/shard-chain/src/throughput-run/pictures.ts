import type { SeriesInput } from "@fmlab/experiment";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { PHASE_TITLES } from "../measurement/phase-titles.ts";
import { PHASES } from "../measurement/trail.ts";
import type { DeploymentOutcome } from "../runtime/run-deployment.ts";

/** Steps of the distribution's curve. */
const SHARES = 200;

/** Share of the committed transactions that took at most so long. */
export function latencySeries({ deployment, window }: DeploymentOutcome): SeriesInput {
  const latencies = deployment.recorder.meter.latenciesMs(window);
  const points = latencies.length === 0 ? 0 : SHARES;
  const shares = Array.from({ length: points }, (_, i) => (i + 1) / SHARES);
  const at = (share: number) =>
    latencies[Math.max(0, Math.ceil(share * latencies.length) - 1)] as number;
  return {
    kind: "line",
    xLabel: "latency, s",
    yLabel: "share of committed transactions",
    x: shares.map((share) => at(share) / 1_000),
    curves: [{ name: deployment.settings.protocol.name, y: shares }],
  };
}

/** Where the time of committed transactions went. */
export function criticalPathSeries({ summary, deployment }: DeploymentOutcome): SeriesInput {
  const { timeByPhase } = summary;
  return {
    kind: "bars",
    categoryLabel: "protocol",
    categories: [deployment.settings.protocol.name],
    valueLabel: "mean time",
    valueUnit: "ms",
    arrangement: "stacked",
    groups: PHASES.map((phase) => ({
      name: PHASE_TITLES[phase],
      values: [timeByPhase === undefined ? null : timeByPhase[phase].meanMs],
    })),
  };
}

/** A lane a transaction: its time until each block that took it further, by the block's chain. */
export function sequenceSeries({ deployment }: DeploymentOutcome): SeriesInput {
  const { topology, recorder, settings } = deployment;
  const journeys = recorder.journeys.ended;
  const zeroMs = Math.min(...journeys.map(({ arrivedMs }) => arrivedMs), Number.MAX_VALUE);
  return {
    kind: "timeline",
    lanes: journeys.map(({ txId }) => txId.slice(0, 8)),
    events: journeys.flatMap(({ arrivedMs, visits }, lane) => {
      let startMs = arrivedMs - zeroMs;
      return [...visits]
        .sort((one, other) => one.committedMs - other.committedMs)
        .map(({ chain, what, committedMs }) => {
          const fromMs = startMs;
          startMs = Math.max(fromMs, committedMs - zeroMs);
          const name = topology.chains[chain]?.name ?? `chain ${chain}`;
          const label = `${what}, until a block of ${name} had it`;
          return { lane, startMs: fromMs, endMs: startMs, label, category: name };
        });
    }),
    note:
      `${settings.protocol.name}: the first ${journeys.length} transactions that had ended, each ` +
      "from its arrival",
  };
}

/** What every oracle says. */
export function oracleTable({ verdicts, failures }: DeploymentOutcome): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "oracle", title: "Oracle", type: "text" },
      { key: "verdict", title: "Verdict", type: "text" },
      { key: "violations", title: "Violations", type: "number" },
      { key: "found", title: "First thing found", type: "text" },
      { key: "facts", title: "Figures", type: "text" },
    ],
    rows: verdicts.map((verdict) => ({
      oracle: verdict.oracle,
      verdict: verdict.passed ? "holds" : failures.includes(verdict) ? "BROKEN" : "not promised",
      violations: verdict.violationCount,
      found: verdict.violations[0]?.what ?? "",
      facts: Object.entries(verdict.facts)
        .map(([name, value]) => `${wordsOf(name)} ${value}`)
        .join(", "),
    })),
  };
}

/** A name in code as words: `inFlightCount` is `in flight count`. */
const wordsOf = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Bytes sent, by what for. */
export function trafficSeries({ summary, sentCount }: DeploymentOutcome): SeriesInput {
  const entries = Object.entries(summary.bytesBy);
  return {
    kind: "bars",
    categoryLabel: "what for",
    categories: entries.map(([what]) => what),
    valueLabel: "bytes a transaction",
    valueUnit: "B",
    groups: [{ name: "bytes", values: entries.map(([, bytes]) => bytes / Math.max(1, sentCount)) }],
  };
}

/** How far each chain came. */
export function chainTable({ deployment, heights, stateRoots }: DeploymentOutcome): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "chain", title: "Chain", type: "text" },
      { key: "validators", title: "Validators", type: "number" },
      { key: "height", title: "Height", type: "number" },
      { key: "stateRoot", title: "State root", type: "text" },
    ],
    rows: deployment.topology.chains.map(({ id, name, validators }) => ({
      chain: name,
      validators,
      height: heights[id] ?? 0,
      stateRoot: stateRoots[id] ?? "",
    })),
  };
}

/** What a reader of the results must know. */
export function remarksText(
  { deployment, isDrained, summary }: DeploymentOutcome,
  config: ThroughputConfig,
): SeriesInput {
  const { protocol, workload } = deployment.settings;
  const signatures =
    config.signatures === "elided"
      ? "Signatures are not computed; each is charged for at the cost table's price."
      : "Every signature is computed and checked.";
  const execution =
    config.execution === "memoised"
      ? `Each block is executed once a shard; ${100 * config.checkedShare} % of the blocks are ` +
        "executed by every validator and compared."
      : "Every block is executed by every validator, and the states are compared.";
  const lines = [
    `${protocol.title}. ${protocol.source}.`,
    ...(protocol.isReconstruction ? ["This protocol is a reconstruction."] : []),
    ...workload.remarks.map((remark) => `${remark.charAt(0).toUpperCase()}${remark.slice(1)}.`),
    signatures,
    execution,
    "Validators of one shard share a mempool; time, network and processors are simulated.",
    ...lateText(summary.unfinished),
    ...(isDrained ? [] : ["Not everything that was sent had ended when the run was over."]),
  ];
  return {
    kind: "text",
    blocks: [{ title: `${protocol.name} on ${workload.name}`, text: lines.join("\n") }],
  };
}

/** What stands beside percentiles where the arrivals were more than the system kept up with. */
function lateText(unfinished: number): string[] {
  if (unfinished === 0) return [];
  return [
    `${unfinished} arrivals had not ended when the last one came. Latencies follow them to their ` +
      "end, when nothing arrives any more.",
  ];
}
