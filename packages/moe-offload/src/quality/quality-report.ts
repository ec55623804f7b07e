import type { RunContext, SeriesInput, Summary } from "@fmlab/experiment";
import { tensorTypeInfo } from "@fmlab/ggml";
import { metricLabel } from "./modes.ts";
import type { ModeResult, QualityResult } from "./quality-job.ts";

/** Points of a curve by position; longer windows are averaged over neighbours. */
const POSITION_POINTS_MAX = 256;

type Sink = Pick<RunContext, "log" | "metric" | "series">;

/** Turns a result into metrics, pictures and the summary of a run. */
export function reportQuality(ctx: Sink, result: QualityResult, textName: string): Summary {
  const lossy = result.modes.filter(({ lossyShare }) => lossyShare > 0);
  for (const mode of result.modes) tellMode(ctx, mode);
  ctx.series("modes", modesTable(result));
  ctx.series("quality", frontier(lossy));
  ctx.series("klByPosition", byPosition(lossy));
  ctx.series("disagreements", disagreements(lossy));
  ctx.series("record", record(result, textName));
  const worst = (of: (mode: ModeResult) => number) => Math.max(0, ...lossy.map(of));
  const agreement = 1 - worst(({ numbers }) => 1 - numbers.argmaxAgreement);
  const overall = {
    perplexity: result.modes[0]?.numbers.perplexity ?? null,
    meanKl: worst(({ numbers }) => numbers.meanKl),
    maxKl: worst(({ numbers }) => numbers.maxKl),
    argmaxAgreement: 100 * agreement,
    lossyShare: 100 * worst(({ lossyShare }) => lossyShare),
    bytesPerExpert: Math.min(...result.modes.map(({ bytesPerExpert }) => bytesPerExpert)),
  };
  for (const [name, value] of Object.entries(overall)) if (value !== null) ctx.metric(name, value);
  return {
    ...overall,
    modes: result.modes.map(({ numbers, ...mode }) => {
      const { klByPosition: _, disagreements: listed, ...rest } = numbers;
      return { ...mode, ...rest, disagreements: listed.slice(0, 10) };
    }),
    text: textName,
    tokenCount: result.tokenCount,
    windowCount: result.windowCount,
    expertBytes: result.expertBytes,
    expertTypes: typeNames(result),
    model: result.model,
  };
}

function tellMode(ctx: Sink, { bytesPerExpert, label, lossyShare, numbers }: ModeResult): void {
  const axes = { mode: metricLabel(label) };
  ctx.metric("maxKl", numbers.maxKl, axes);
  ctx.metric("argmaxAgreement", 100 * numbers.argmaxAgreement, axes);
  ctx.metric("lossyShare", 100 * lossyShare, axes);
  ctx.metric("bytesPerExpert", bytesPerExpert, axes);
  ctx.log(
    `${label}: perplexity ${numbers.perplexity.toFixed(3)}, mean KL ` +
      `${numbers.meanKl.toExponential(3)}, same likeliest token ` +
      `${(100 * numbers.argmaxAgreement).toFixed(2)} % (${numbers.nearTies} near ties differ)`,
  );
}

function modesTable({ modes }: QualityResult): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "mode", title: "Mode", type: "text" },
      { key: "path", title: "Evaluated as", type: "text" },
      { key: "perplexity", title: "Perplexity", type: "number" },
      { key: "nll", title: "NLL", unit: "nats", type: "number" },
      { key: "meanKl", title: "Mean KL", unit: "nats", type: "number" },
      { key: "maxKl", title: "Largest KL", unit: "nats", type: "number" },
      { key: "agreement", title: "Same likeliest token", unit: "%", type: "number" },
      { key: "nearTies", title: "Differing near ties", type: "number" },
      { key: "lossy", title: "Lossy uses", unit: "%", type: "number" },
      { key: "sizeKiB", title: "Size of an expert", unit: "KiB", type: "number" },
    ],
    rows: modes.map(({ bytesPerExpert, label, lossyShare, numbers, path }) => ({
      mode: label,
      path,
      perplexity: finite(numbers.perplexity),
      nll: finite(numbers.nllNats),
      meanKl: numbers.meanKl,
      maxKl: numbers.maxKl,
      agreement: 100 * numbers.argmaxAgreement,
      nearTies: numbers.nearTies,
      lossy: 100 * lossyShare,
      sizeKiB: bytesPerExpert / 1024,
    })),
  };
}

/** Each mode as a point: what an expert costs in memory, and what that costs in quality. */
function frontier(modes: readonly ModeResult[]): SeriesInput {
  const paths = [...new Set(modes.map(({ path }) => path))];
  return {
    kind: "scatter",
    x: { label: "mean size of an expert", unit: "KiB", better: "lower" },
    y: { label: "mean KL", unit: "nats", better: "lower" },
    groups: paths.map((path) => ({
      name: path,
      points: modes
        .filter((mode) => mode.path === path)
        .map(({ bytesPerExpert, label, numbers }) => ({
          x: bytesPerExpert / 1024,
          y: numbers.meanKl,
          label,
        })),
    })),
    front: true,
  };
}

function byPosition(modes: readonly ModeResult[]): SeriesInput {
  const length = Math.max(0, ...modes.map(({ numbers }) => numbers.klByPosition.length));
  const width = Math.max(1, Math.ceil(length / POSITION_POINTS_MAX));
  const bins = Array.from({ length: Math.ceil(length / width) }, (_, bin) => bin * width);
  const mean = (values: readonly number[]) =>
    values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  return {
    kind: "line",
    xLabel: width === 1 ? "position" : `position (means of ${width})`,
    yLabel: "mean KL",
    yUnit: "nats",
    x: bins,
    curves: modes.map(({ label, numbers }) => ({
      name: label,
      y: bins.map((bin) => mean(numbers.klByPosition.slice(bin, bin + width))),
    })),
  };
}

function disagreements(modes: readonly ModeResult[]): SeriesInput {
  return {
    kind: "table",
    columns: [
      { key: "mode", title: "Mode", type: "text" },
      { key: "window", title: "Window", type: "number" },
      { key: "position", title: "Position", type: "number" },
      { key: "fullToken", title: "Token, full (id)", type: "text" },
      { key: "lossyToken", title: "Token, lossy (id)", type: "text" },
      { key: "fullMargin", title: "Margin, full", unit: "nats", type: "number" },
      { key: "lossyMargin", title: "Margin, lossy", unit: "nats", type: "number" },
      { key: "kl", title: "KL", unit: "nats", type: "number" },
    ],
    rows: modes.flatMap(({ label, numbers }) =>
      numbers.disagreements.map(({ fullToken, lossyToken, ...one }) => ({
        mode: label,
        ...one,
        fullToken: String(fullToken),
        lossyToken: String(lossyToken),
      })),
    ),
  };
}

function record(result: QualityResult, textName: string): SeriesInput {
  const { expertBytes, tokenCount, windowCount } = result;
  const types = typeNames(result);
  const lines = Object.entries(expertBytes).map(
    ([precision, bytes]) =>
      `${precision}: gate, up and down in ${types[precision]?.join(", ")}; ${bytes} bytes an expert`,
  );
  const windows = windowCount === 1 ? "one window" : `${windowCount} windows`;
  const title = `${textName}: ${tokenCount} tokens in ${windows}`;
  const controls = result.modes
    .filter(({ lossyShare }) => lossyShare === 0)
    .map(({ label, numbers }) => `control: mean KL of ${label} with itself is ${numbers.meanKl}`);
  return { kind: "text", blocks: [{ title, text: [...lines, ...controls].join("\n") }] };
}

function typeNames({ expertTypes }: QualityResult): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(expertTypes).map(([precision, types]) => [
      precision,
      types.map((type) => tensorTypeInfo(type).name),
    ]),
  );
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
