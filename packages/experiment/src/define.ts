import { z } from "zod";
import type { RunContext } from "./context.ts";
import { type ConfigProblem, ExperimentError } from "./errors.ts";
import { type GpuRequirement, VERSION_PATTERN } from "./gpu.ts";
import { isMachineMetric } from "./machine-metrics.ts";
import { FIDELITIES, type Fidelity, type MetricSpec } from "./metrics.ts";
import type { ViewSpec } from "./views.ts";

/** A file a config needs, with where it comes from, so that a missing one can be explained. */
export interface RequiredFile {
  path: string;
  /** `model`: shipped or user-given weights. `data`: third-party data under FMLAB_DATA_DIR. */
  room: "model" | "data";
  source: string;
  licence: string;
}

/**
 * What a machine must have to run a config; the queue matches it against machines' capabilities.
 */
export interface Requirements {
  /** True: any GPU. Otherwise the back end, and what one card must have. */
  gpu?: boolean | GpuRequirement;
  /** Main memory the run needs, bytes. */
  memoryBytes?: number;
  files?: RequiredFile[];
  /** Further capability tags, e.g. `ggml`. */
  tags?: string[];
}

/** A named starting point: a partial config with the words that explain it. */
export interface Preset<Input> {
  title: string;
  description: string;
  config: Input;
  /** Runs on every install: no GPU, no third-party data, a few seconds. */
  everywhere?: boolean;
}

/**
 * What `run` gives back: the run's summary. Numbers under declared metric names feed the runs
 * table.
 */
export type Summary = Record<string, unknown>;

/** What `load` imports: the code of an experiment. */
export interface RunModule<Config> {
  run(ctx: RunContext, config: Config): Promise<Summary>;
}

/** All that the platform knows of an experiment; nothing in it is native or slow to load. */
export interface ExperimentDefinition<Schema extends z.ZodObject = z.ZodObject> {
  /** `<package>.<noun>`, e.g. `moe-offload.decode`. */
  kind: string;
  /**
   * Raised when the config, the metrics or their meaning change; server and runner must agree on
   * it.
   */
  version: number;
  title: string;
  /** The question a run answers, as one sentence ending in `?`. */
  question: string;
  /** Where the method comes from, e.g. `arXiv:2502.12224`. */
  paper?: string;
  /**
   * Every field has a default, so `{}` is a valid config; `.describe()` is the form's help text.
   */
  config: Schema;
  presets: Record<string, Preset<z.input<Schema>>>;
  requires: (config: z.output<Schema>) => Requirements;
  fidelity: (config: z.output<Schema>) => Fidelity;
  metrics: Record<string, MetricSpec>;
  views: ViewSpec[];
  /**
   * Imports the code that runs it. Only the runner calls this; definitions import nothing native.
   */
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
 * @throws ExperimentError `BROKEN_DEFINITION` naming the experiment and the first thing that is
 * wrong
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
  if (!d.title.trim()) return "title is empty";
  if (!d.question.trim().endsWith("?")) return "question must end with a question mark";
  return configProblem(d) ?? metricProblem(d) ?? viewProblem(d);
}

function configProblem(d: AnyExperiment): string | undefined {
  try {
    z.toJSONSchema(d.config, { io: "input" });
  } catch (error) {
    return `config has no JSON schema, so no form: ${(error as Error).message}`;
  }
  const presets = Object.entries(d.presets);
  if (!presets.some(([, preset]) => preset.everywhere)) return "no preset is marked `everywhere`";
  const configs: [string, unknown, boolean][] = [
    ["config {}", {}, false],
    ...presets.map(([name, p]): [string, unknown, boolean] => [
      `preset ${name}`,
      p.config,
      p.everywhere ?? false,
    ]),
  ];
  for (const [name, config, everywhere] of configs) {
    const checked = checkConfig(d.config, config);
    if ("problems" in checked) return `${name} is not valid: ${tellProblems(checked.problems)}`;
    const problem = requirementProblem(d, checked.config, everywhere);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return undefined;
}

/** `requires` and `fidelity` must answer for every named config before anyone launches it. */
function requirementProblem(
  d: AnyExperiment,
  config: Record<string, unknown>,
  everywhere: boolean,
): string | undefined {
  try {
    const fidelity = d.fidelity(config);
    if (!FIDELITIES.includes(fidelity)) return `fidelity ${fidelity} is not one of ${FIDELITIES}`;
    const { gpu, files = [] } = d.requires(config);
    if (everywhere && gpu) return "runs everywhere, yet needs a GPU";
    const version = typeof gpu === "object" ? badVersion(gpu) : undefined;
    if (version !== undefined) return `${version} is no version of numbers and dots`;
    const data = files.find((file) => file.room === "data");
    if (everywhere && data) return `runs everywhere, yet needs third-party data: ${data.path}`;
    return undefined;
  } catch (error) {
    return `its requirements cannot be told: ${(error as Error).message}`;
  }
}

/** A version in a GPU requirement that no card could ever be compared with. */
function badVersion({ computeCapability = "0", driver = "0" }: GpuRequirement): string | undefined {
  return [computeCapability, driver].find((version) => !VERSION_PATTERN.test(version));
}

function metricProblem(d: AnyExperiment): string | undefined {
  if (Object.keys(d.metrics).length === 0) return "no metrics are declared";
  for (const [key, metric] of Object.entries(d.metrics)) {
    if (!/^[a-z][A-Za-z0-9]*$/.test(key)) return `metric ${key} must be camelCase`;
    if (!metric.help.trim()) return `metric ${key} has no help text`;
    if (isMachineMetric(key)) return `metric ${key} is measured by the runner itself: rename it`;
  }
  return undefined;
}

function viewProblem(d: AnyExperiment): string | undefined {
  const names = d.views.map((view) => view.series);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `two views draw the series ${twice}`;
  // The name becomes a file name in run folders.
  const odd = names.find((name) => !/^[A-Za-z][A-Za-z0-9-]*$/.test(name));
  if (odd !== undefined) return `series name ${JSON.stringify(odd)} is no plain word`;
  const gaps = d.views.find((view) => view.gapLanes !== undefined && view.kind !== "timeline");
  return gaps && `the view of ${gaps.series} has gapLanes, but only a timeline has lanes`;
}

/**
 * Validates a config and fills in the defaults. Unknown fields are refused at every depth, so that
 * a misspelt one is not silently ignored.
 *
 * @throws ExperimentError `BAD_CONFIG` with every wrong field
 */
export function parseConfig(definition: AnyExperiment, config: unknown): Record<string, unknown> {
  const checked = checkConfig(definition.config, config ?? {});
  if ("config" in checked) return checked.config;
  const { problems } = checked;
  throw new ExperimentError(
    `config of ${definition.kind} is not valid: ${tellProblems(problems)}`,
    { code: "BAD_CONFIG", kind: definition.kind, problems },
  );
}

function checkConfig(
  schema: z.ZodObject,
  config: unknown,
): { config: Record<string, unknown> } | { problems: ConfigProblem[] } {
  const parsed = schema.strict().safeParse(config);
  if (!parsed.success) return { problems: parsed.error.issues.flatMap(problemsOf) };
  const problems = droppedFields(config, parsed.data, "");
  return problems.length > 0 ? { problems } : { config: parsed.data as Record<string, unknown> };
}

function problemsOf(issue: z.core.$ZodIssue): ConfigProblem[] {
  const path = issue.path.join(".");
  if (issue.code !== "unrecognized_keys") return [{ path, message: issue.message }];
  return issue.keys.map((key) => ({
    path: path === "" ? key : `${path}.${key}`,
    message: "there is no such field",
  }));
}

/** Fields of nested objects that the schema does not know: zod leaves them out of its result. */
function droppedFields(given: unknown, kept: unknown, path: string): ConfigProblem[] {
  if (Array.isArray(given) && Array.isArray(kept)) {
    return given.flatMap((item, i) => droppedFields(item, kept[i], `${path}.${i}`));
  }
  if (!isObject(given) || !isObject(kept)) return [];
  return Object.entries(given).flatMap(([name, value]) => {
    const at = path === "" ? name : `${path}.${name}`;
    if (Object.hasOwn(kept, name)) return droppedFields(value, kept[name], at);
    const known = Object.keys(kept).join(", ");
    return [{ path: at, message: `there is no such field; there are ${known || "none"}` }];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tellProblems(problems: readonly ConfigProblem[]): string {
  return problems.map((p) => `${p.path || "config"}: ${p.message}`).join("; ");
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
