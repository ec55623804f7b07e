import { z } from "zod";
import type { RunContext } from "./context.ts";
import { type ConfigProblem, ExperimentError } from "./errors.ts";
import type { Fidelity, MetricSpec } from "./metrics.ts";
import type { ViewSpec } from "./views.ts";

/** A file a config needs, with where it comes from, so that a missing one can be explained. */
export interface RequiredFile {
  path: string;
  /** `model`: shipped or user-given weights. `data`: third-party data under FMLAB_DATA_DIR. */
  room: "model" | "data";
  source: string;
  licence: string;
}

/** What a machine must have to run a config; the queue matches it against machines' capabilities. */
export interface Requirements {
  gpu?: boolean;
  /** Main memory the run needs, bytes. */
  memoryBytes?: number;
  files?: RequiredFile[];
  /** Further capability tags, e.g. `ggml`. */
  tags?: string[];
}

export interface Preset<Input> {
  title: string;
  description: string;
  config: Input;
  /** Runs on every install: no GPU, no third-party data, a few seconds. */
  everywhere?: boolean;
}

/** What `run` gives back: the run's summary. Numbers under declared metric names feed the runs table. */
export type Summary = Record<string, unknown>;

export interface RunModule<Config> {
  run(ctx: RunContext, config: Config): Promise<Summary>;
}

export interface ExperimentDefinition<Schema extends z.ZodObject = z.ZodObject> {
  /** `<package>.<noun>`, e.g. `moe-offload.decode`. */
  kind: string;
  /** Raised when the config, the metrics or their meaning change; server and runner must agree on it. */
  version: number;
  title: string;
  /** The question a run answers, as one sentence ending in `?`. */
  question: string;
  /** Where the method comes from, e.g. `arXiv:2502.12224`. */
  paper?: string;
  /** Every field has a default, so `{}` is a valid config; `.describe()` is the form's help text. */
  config: Schema;
  presets: Record<string, Preset<z.input<Schema>>>;
  requires: (config: z.output<Schema>) => Requirements;
  fidelity: (config: z.output<Schema>) => Fidelity;
  metrics: Record<string, MetricSpec>;
  views: ViewSpec[];
  /** Imports the code that runs it. Only the runner calls this; definitions import nothing native. */
  load: () => Promise<RunModule<z.output<Schema>>>;
}

/** A definition whose config type is no longer known statically. */
export type AnyExperiment = Omit<ExperimentDefinition, "requires" | "fidelity" | "load"> & {
  requires: (config: Record<string, unknown>) => Requirements;
  fidelity: (config: Record<string, unknown>) => Fidelity;
  load: () => Promise<RunModule<Record<string, unknown>>>;
};

/**
 * Checks a definition against the contract and returns it.
 *
 * @throws ExperimentError `BROKEN_DEFINITION` naming the experiment and the first thing that is wrong
 */
export function defineExperiment<Schema extends z.ZodObject>(
  definition: ExperimentDefinition<Schema>,
): AnyExperiment {
  const problem = firstProblem(definition as unknown as AnyExperiment);
  if (problem !== undefined) {
    throw new ExperimentError(
      `experiment ${definition.kind || "(without a kind)"} is broken: ${problem}`,
      { code: "BROKEN_DEFINITION", kind: definition.kind, problem },
    );
  }
  return definition as unknown as AnyExperiment;
}

function firstProblem(d: AnyExperiment): string | undefined {
  if (!/^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$/.test(d.kind)) {
    return `kind must look like "package.noun", got ${JSON.stringify(d.kind)}`;
  }
  if (!Number.isInteger(d.version) || d.version < 1) return "version must be an integer >= 1";
  if (!d.question.trim().endsWith("?")) return "question must end with a question mark";
  const empty = d.config.safeParse({});
  if (!empty.success) return `config {} must be valid: ${z.prettifyError(empty.error)}`;
  const presets = Object.entries(d.presets);
  if (!presets.some(([, p]) => p.everywhere)) return "no preset is marked `everywhere`";
  for (const [name, preset] of presets) {
    const parsed = d.config.safeParse(preset.config);
    if (!parsed.success) return `preset ${name} is invalid: ${z.prettifyError(parsed.error)}`;
  }
  if (Object.keys(d.metrics).length === 0) return "no metrics are declared";
  for (const [key, metric] of Object.entries(d.metrics)) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(key)) return `metric ${key} must be camelCase`;
    if (!metric.help.trim()) return `metric ${key} has no help text`;
  }
  const names = d.views.map((v) => v.series);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `two views draw the series ${twice}`;
  return undefined;
}

/**
 * Validates a config and fills in the defaults. Unknown fields are refused, so that a misspelt one is
 * not silently ignored.
 *
 * @throws ExperimentError `BAD_CONFIG` with every wrong field
 */
export function parseConfig(definition: AnyExperiment, config: unknown): Record<string, unknown> {
  const parsed = definition.config.strict().safeParse(config ?? {});
  if (parsed.success) return parsed.data as Record<string, unknown>;
  const problems: ConfigProblem[] = parsed.error.issues.map((issue) => ({
    path: issue.path.join("."),
    message: issue.message,
  }));
  const told = problems.map((p) => `${p.path || "config"}: ${p.message}`).join("; ");
  throw new ExperimentError(`config of ${definition.kind} is not valid: ${told}`, {
    code: "BAD_CONFIG",
    kind: definition.kind,
    problems,
  });
}

/** @throws ExperimentError `UNKNOWN_PRESET` with the names there are */
export function presetConfig(definition: AnyExperiment, name: string): Record<string, unknown> {
  const preset = definition.presets[name];
  if (preset === undefined || !Object.hasOwn(definition.presets, name)) {
    const known = Object.keys(definition.presets);
    throw new ExperimentError(
      `${definition.kind} has no preset "${name}"; it has ${known.join(", ")}`,
      { code: "UNKNOWN_PRESET", kind: definition.kind, preset: name, known },
    );
  }
  return parseConfig(definition, preset.config);
}
