import { delimiter, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type AnyExperiment, ExperimentError } from "@fmlab/experiment";
import { usageError } from "./errors.ts";

/** Experiments by kind. */
export type ExperimentMap = ReadonlyMap<string, AnyExperiment>;

/** Modules with further experiments, as named in the environment (path-list syntax). */
export function extraModules(env: NodeJS.ProcessEnv = process.env): string[] {
  return (env.FMLAB_EXTRA_EXPERIMENTS ?? "")
    .split(delimiter)
    .filter((path) => path !== "")
    .map((path) => resolve(path));
}

/**
 * All experiments this process can run: the registry's, then those of the user's own modules. A
 * module exports definitions under any name; one that repeats a known kind is refused.
 * `FMLAB_REGISTRY=none` leaves the registry's out, so that a test or a user's own work starts
 * without them.
 *
 * @throws ExperimentError `BROKEN_DEFINITION` with the experiment's name
 * @throws RunnerError `USAGE` when a module cannot be imported or holds no experiment
 */
export async function loadExperiments(modules: string[] = extraModules()): Promise<ExperimentMap> {
  const all = new Map<string, AnyExperiment>();
  if (process.env.FMLAB_REGISTRY !== "none") {
    const { experiments } = await import("@fmlab/registry");
    for (const [kind, definition] of experiments) all.set(kind, definition);
  }
  for (const path of modules) {
    const found = await importDefinitions(path);
    for (const definition of found) {
      if (all.has(definition.kind)) {
        throw usageError(
          `${path} defines ${definition.kind}, which exists already; rename its kind`,
        );
      }
      all.set(definition.kind, definition);
    }
  }
  return all;
}

async function importDefinitions(path: string): Promise<AnyExperiment[]> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof ExperimentError) throw error;
    const told = error instanceof Error ? error.message : String(error);
    const hint = /require\(\) ES Module|module syntax/i.test(told)
      ? ' (name it .mts, or put a package.json with "type": "module" beside it)'
      : "";
    throw usageError(`experiments module ${path} cannot be imported: ${told}${hint}`);
  }
  const values = Object.values(module).flatMap((value) => (Array.isArray(value) ? value : [value]));
  const found = [...new Set(values.filter(isExperiment))];
  if (found.length === 0) {
    throw usageError(
      `experiments module ${path} exports no experiment; use defineExperiment({...})`,
    );
  }
  return found;
}

function isExperiment(value: unknown): value is AnyExperiment {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as Partial<AnyExperiment>;
  return typeof candidate.kind === "string" && typeof candidate.load === "function";
}

/** @throws ExperimentError `UNKNOWN_EXPERIMENT` with the kinds there are */
export function experimentOf(all: ExperimentMap, kind: string): AnyExperiment {
  const found = all.get(kind);
  if (found !== undefined) return found;
  const known = [...all.keys()].sort();
  throw new ExperimentError(
    `there is no experiment "${kind}"; known are ${known.join(", ") || "none"}`,
    { code: "UNKNOWN_EXPERIMENT", kind, known },
  );
}
