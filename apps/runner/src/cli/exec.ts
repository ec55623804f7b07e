import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AnyExperiment, Reproduction } from "@fmlab/experiment";
import { AttemptProcess } from "../attempt/attempt-process.ts";
import { RunnerChild } from "../attempt/runner-child.ts";
import { foldersOfFiles, recordedConfig } from "../context/recorded-config.ts";
import { resolveFile } from "../context/resolve-file.ts";
import { Scrubber, standardFolders } from "../context/scrub.ts";
import { usageError } from "../errors.ts";
import { experimentOf, extraModules, loadExperiments } from "../experiments.ts";
import { sampleMachine } from "../gpu/sample-machine.ts";
import { machineFolders, repositoryRoot } from "../repository.ts";
import { codeFacts } from "../reproduction/code-facts.ts";
import { machineFacts } from "../reproduction/machine-facts.ts";
import { prepareRunFolder, RunFolderSink } from "../sink/run-folder-sink.ts";
import type { RunEnd } from "../sink/run-sink.ts";
import { type ConfigOptions, changesFields, parseWhole, readConfig } from "./config-input.ts";
import { exitCodeOf } from "./exit-code.ts";
import { MetricDigest, summaryTable } from "./metric-digest.ts";
import { ProgressView } from "./progress-view.ts";
import { note, out, outJson, shortDuration } from "./terminal.ts";

/** Flags of `fmlab exec`, as commander hands them over. */
export interface ExecOptions extends ConfigOptions {
  seed: string;
  out?: string;
  force: boolean;
  json: boolean;
  quiet: boolean;
  timeLimit: string;
  cancelGrace: string;
  heapMib?: string;
  gpuSample: string;
  experiments: string[];
}

/** `fmlab exec`: runs one experiment on this machine and writes its run folder. */
export async function execCommand(kind: string, options: ExecOptions): Promise<number> {
  const modules = [...extraModules(), ...options.experiments.map((path) => resolve(path))];
  const definition = experimentOf(await loadExperiments(modules), kind);
  const config = readConfig(definition, options);
  const seed = parseWhole("--seed", options.seed);
  const timeLimitSec = parseWhole("--time-limit", options.timeLimit, 1);
  const graceMs = parseWhole("--cancel-grace", options.cancelGrace) * 1_000;
  const heapMiB =
    options.heapMib === undefined ? undefined : parseWhole("--heap-mib", options.heapMib, 16);
  const sampling = await sampleMachine(parseWhole("--gpu-sample", options.gpuSample));
  const folder = resolve(options.out ?? defaultFolder(kind, seed));
  const temporary = mkdtempSync(join(tmpdir(), "fmlab-exec-"));
  let child: RunnerChild | undefined;
  try {
    const job = await childJob(definition, config, seed, temporary);
    prepareRunFolder(folder, options.force);
    child = new RunnerChild({ modules, heapMiB, preload: false });
    const progress = await ProgressView.create(options.quiet || options.json);
    const digest = new MetricDigest();
    const recordConfig = (full: Record<string, unknown>) => recordedConfig(definition, full);
    const scrubber = new Scrubber({
      ...foldersOfFiles(recordConfig(config).absoluteFiles),
      ...standardFolders(repositoryRoot, machineFolders()),
      [folder]: "<out>",
      [temporary]: "<scratch>",
    });
    const code = await codeFacts();
    const reproduction: Reproduction = { machine: job.machine, code, inputs: [], notes: {} };
    const sink = new RunFolderSink({
      folder,
      runId: randomUUID(),
      kind,
      definitionVersion: definition.version,
      preset: changesFields(options) ? null : (options.preset ?? null),
      config,
      recordConfig,
      seed,
      startedAt: new Date(),
      reproduction,
      onProgress: (done, total, label) => progress?.show(done, total, label),
      onLog: (entry) => progress?.line(entry.text),
      onPoint: (point) => digest.add(point),
    });
    const attempt = new AttemptProcess({
      ...{ child, job, sink, scrubber, code, timeLimitSec, graceMs },
      sampleMachine: sampling,
    });
    const unwatch = watchInterrupts(attempt);
    const end = await attempt.run();
    unwatch();
    progress?.close();
    if (end === null) throw new Error("assertion failed: nobody abandons an exec");
    await sink.finish(end);
    tellEnd(definition, end, digest, folder, options.json);
    return exitCodeOf(end.state);
  } finally {
    child?.signal("SIGKILL");
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Checks what can be checked before anything is written: a missing file is a usage error here. */
async function childJob(
  definition: AnyExperiment,
  config: Record<string, unknown>,
  seed: number,
  temporary: string,
) {
  const { modelsDir, dataDir, homeDir } = machineFolders();
  const scratchDir = join(temporary, "scratch");
  const stagingDir = join(temporary, "staging");
  mkdirSync(scratchDir);
  mkdirSync(stagingDir);
  const rooms = { modelsDir, dataDir, scratchDir, anyPath: true };
  const required = definition.requires(config).files ?? [];
  for (const file of required) await resolveFile(file.path, rooms, required);
  const hashCacheFile = join(homeDir, "input-hashes.json");
  const machine = await machineFacts();
  const { kind } = definition;
  return {
    kind,
    definitionVersion: null,
    config,
    seed,
    machine,
    stagingDir,
    hashCacheFile,
    ...rooms,
  };
}

/** The first Ctrl-C cancels the run, the second kills it. Returns how to stop watching. */
function watchInterrupts(attempt: AttemptProcess): () => void {
  let count = 0;
  const onInterrupt = () => {
    count += 1;
    if (count > 1) {
      attempt.kill();
      return;
    }
    note("cancelling; press Ctrl-C again to kill the run");
    attempt.abort("cancelled");
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  return () => {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onInterrupt);
  };
}

/** `.fmlab/runs/<kind>-seed<n>[-k]`: the first that is free. */
function defaultFolder(kind: string, seed: number): string {
  const name = join(repositoryRoot, ".fmlab", "runs", `${kind}-seed${seed}`);
  for (let k = 1; k < 10_000; k++) {
    const folder = k === 1 ? name : `${name}-${k}`;
    if (!existsSync(folder)) return folder;
  }
  throw usageError("no free folder name under .fmlab/runs; give --out");
}

function tellEnd(
  definition: AnyExperiment,
  end: RunEnd,
  digest: MetricDigest,
  folder: string,
  isJson: boolean,
): void {
  const { state, failure, summary, durationMs } = end;
  if (isJson) {
    outJson({ state, failure, summary, durationMs: Math.round(durationMs), folder });
    return;
  }
  const table = summaryTable(definition, summary, digest);
  if (table !== "") out(table);
  out(`${state} in ${shortDuration(durationMs)} (${end.fidelity}); run folder ${folder}`);
  if (failure === null) return;
  note(`${failure.code}: ${failure.message}`);
  if (failure.detail !== undefined) note(failure.detail);
}
