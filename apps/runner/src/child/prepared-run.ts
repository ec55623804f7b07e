import {
  type AnyExperiment,
  DomainError,
  parseConfig,
  type RequiredFile,
  type RunModule,
} from "@fmlab/experiment";
import { type FileRooms, recordedPath, resolveFile } from "../context/resolve-file.ts";
import { type ExperimentMap, experimentOf } from "../experiments.ts";
import { InputHasher } from "../reproduction/input-hash.ts";
import type { ChildJob, InputFact } from "./child-messages.ts";

/** A run whose config, version and files have been checked. */
export interface PreparedRun {
  definition: AnyExperiment;
  config: Record<string, unknown>;
  module: RunModule<Record<string, unknown>>;
  requiredFiles: RequiredFile[];
  inputs: InputFact[];
}

/**
 * Checks a job against this machine before any of the experiment's code runs.
 *
 * @throws ExperimentError `UNKNOWN_EXPERIMENT` | `BAD_CONFIG` | `MISSING_FILE` | `FORBIDDEN_PATH`
 * @throws DomainError `VERSION_MISMATCH` when server and runner have different definitions
 */
export async function prepareRun(
  all: ExperimentMap,
  job: ChildJob,
  rooms: FileRooms,
): Promise<PreparedRun> {
  const definition = experimentOf(all, job.kind);
  refuseOtherVersion(definition, job);
  const config = parseConfig(definition, job.config);
  const requiredFiles = definition.requires(config).files ?? [];
  const files: string[] = [];
  for (const file of requiredFiles) files.push(await resolveFile(file.path, rooms, requiredFiles));
  const inputs = await hashInputs(files, job, rooms);
  const module = await definition.load();
  return { definition, config, module, requiredFiles, inputs };
}

/** Sizes and hashes of input files, each once, under paths that name no machine. */
export async function hashInputs(
  files: readonly string[],
  job: ChildJob,
  rooms: FileRooms,
): Promise<InputFact[]> {
  const hasher = new InputHasher(job.hashCacheFile);
  const inputs: InputFact[] = [];
  for (const file of new Set(files)) {
    inputs.push({ path: recordedPath(file, rooms), ...(await hasher.hash(file)) });
  }
  return inputs;
}

function refuseOtherVersion(definition: AnyExperiment, job: ChildJob): void {
  if (job.definitionVersion === null || job.definitionVersion === definition.version) return;
  throw new DomainError(
    `${job.kind} was launched as version ${job.definitionVersion} but this runner has version ` +
      `${definition.version}; bring server and runner to the same commit and restart the older one`,
    { code: "VERSION_MISMATCH" },
  );
}
