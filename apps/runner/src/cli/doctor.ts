import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type AnyExperiment,
  gpuMisfit,
  gpuTag,
  type MachineFacts,
  parseConfig,
  presetConfig,
} from "@fmlab/experiment";
import { findCapabilities } from "../agent/capabilities.ts";
import { type BundleRecord, readBundleRecord } from "../bundle-record.ts";
import { type Check, optional, required } from "../doctor/check.ts";
import { findCudaRuntime } from "../doctor/cuda-runtime.ts";
import { deviceChecks } from "../doctor/device-checks.ts";
import { probeDevices } from "../doctor/device-probe.ts";
import { tensorflowChecks } from "../doctor/tensorflow-checks.ts";
import { RunnerError, usageError } from "../errors.ts";
import { extraModules, loadExperiments } from "../experiments.ts";
import { type Folders, fmlabVersion, machineFolders, repositoryRoot } from "../repository.ts";
import { machineFacts } from "../reproduction/machine-facts.ts";
import { findConnection, localConnection, ServerConnection } from "../server-connection.ts";
import { EXIT } from "./exit-code.ts";
import type { ConnectionOptions } from "./server-client.ts";
import { columns, out, outJson } from "./terminal.ts";

interface Runnable {
  kind: string;
  preset: string;
  ok: boolean;
  /** What is missing. */
  missing: string[];
}

const NODE_MIN = [20, 19] as const;
const FREE_BYTES_MIN = 1024 ** 3;
const GIB = 1024 ** 3;

/** Flags that only mean something for a plan: as commander hands them over, and as given. */
const PLAN_FLAGS = {
  memoryMib: "--memory-mib",
  linkMbps: "--link-mbps",
  machine: "--machine",
  tokens: "--tokens",
} as const;

type DoctorOptions = ConnectionOptions & { json: boolean; experiments: string[] } & {
  [Flag in keyof typeof PLAN_FLAGS]?: string;
};

/** `fmlab doctor`: what this machine can run and why not more. Fails when something is wrong. */
export async function doctorCommand(options: DoctorOptions): Promise<number> {
  for (const flag of Object.keys(PLAN_FLAGS) as (keyof typeof PLAN_FLAGS)[]) {
    if (options[flag] !== undefined) throw usageError(`${PLAN_FLAGS[flag]} needs --model`);
  }
  const folders = machineFolders();
  const facts = await machineFacts();
  const capabilities = await findCapabilities(facts, folders);
  const modules = [...extraModules(), ...options.experiments.map((path) => resolve(path))];
  const loaded = await loadExperiments(modules).then(
    (all) => ({ all: [...all.values()], problem: undefined }),
    (error: Error) => ({ all: [] as AnyExperiment[], problem: error.message }),
  );
  const offered = new Set(capabilities.tags);
  const runnable = loaded.all.flatMap((one) => runnables(one, offered, facts));
  const [bundle, devices] = await Promise.all([readBundleRecord(repositoryRoot), probeDevices()]);
  const checks: Check[] = [
    nodeCheck(),
    required("fmlab", true, tellVersion(bundle)),
    required(
      "experiments",
      loaded.problem === undefined,
      loaded.problem ?? `${loaded.all.length} loaded`,
    ),
    required("processor", true, `${facts.cpuCount} x ${facts.cpuModel}`),
    required("memory", true, `${(facts.memoryBytes / GIB).toFixed(1)} GiB`),
    gpuCheck(facts.gpus),
    ...deviceChecks(devices, () => findCudaRuntime(process.env)),
    ...(await tensorflowChecks(bundle?.packages)),
    ...(await folderChecks(folders, capabilities.tags)),
    ...(await serverChecks(options, folders)),
  ];
  const isWell = checks.every((one) => one.status !== "problem") && runnable.some((one) => one.ok);
  if (options.json)
    outJson({ ok: isWell, checks, devices: devices.devices, runnable, machine: facts });
  else print(checks, runnable);
  return isWell ? EXIT.success : EXIT.failed;
}

function print(checks: Check[], runnable: Runnable[]): void {
  const mark = { ok: "ok", problem: "PROBLEM", absent: "-" };
  out(columns(checks.map((one) => [mark[one.status], one.what, one.told])));
  out("\nWhat this machine can run:");
  out(
    columns(
      runnable.map((one) => [
        one.ok ? "  yes" : "  no",
        one.kind,
        one.preset,
        one.missing.join("; "),
      ]),
    ),
  );
}

function runnables(
  definition: AnyExperiment,
  offered: Set<string>,
  { gpus, memoryBytes }: MachineFacts,
): Runnable[] {
  return Object.keys(definition.presets).map((preset) => {
    const config = parseConfig(definition, presetConfig(definition, preset));
    const needs = definition.requires(config);
    const gpu = typeof needs.gpu === "object" ? needs.gpu : undefined;
    const gpuTags = gpu !== undefined ? [gpuTag(gpu.device)] : needs.gpu === true ? ["gpu"] : [];
    const tags = [...(needs.tags ?? []), ...gpuTags];
    const misfit = gpu === undefined ? undefined : gpuMisfit(gpus, gpu);
    const missing = [
      ...tags.filter((tag) => !offered.has(tag)).map((tag) => `needs ${tag}`),
      ...(needs.files ?? [])
        .filter((file) => !offered.has(`${file.room}:${file.path}`))
        .map(
          ({ room, path, source, licence }) =>
            `needs the ${room} ${path} from ${source} (licence: ${licence})`,
        ),
      ...(misfit === undefined ? [] : [`this machine ${misfit}`]),
      ...((needs.memoryBytes ?? 0) > memoryBytes
        ? [`needs ${((needs.memoryBytes ?? 0) / GIB).toFixed(1)} GiB of memory`]
        : []),
    ];
    return { kind: definition.kind, preset, ok: missing.length === 0, missing };
  });
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isOk = major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
  return required(
    "node",
    isOk,
    `${process.version}${isOk ? "" : `; at least ${NODE_MIN.join(".")} is needed`}`,
  );
}

/** In a bundle also the commit it was made from. */
function tellVersion(bundle: BundleRecord | undefined): string {
  if (bundle === undefined) return fmlabVersion;
  const { dirty, gitCommit } = bundle.code;
  return `${fmlabVersion}, a bundle of ${gitCommit ?? "no commit"}${dirty ? " with changes" : ""}`;
}

function gpuCheck(gpus: MachineFacts["gpus"]): Check {
  if (gpus.length === 0) return optional("gpu", false, "NVIDIA's driver shows none");
  const told = gpus.map(({ computeCapability, cudaVersion, driver, memoryBytes, name }) =>
    [
      `${name} ${(memoryBytes / GIB).toFixed(0)} GiB`,
      ...(computeCapability === undefined ? [] : [`compute capability ${computeCapability}`]),
      `driver ${driver}${cudaVersion === undefined ? "" : ` (CUDA up to ${cudaVersion})`}`,
    ].join(", "),
  );
  return required("gpu", true, told.join("; "));
}

async function folderChecks(folders: Folders, tags: string[]): Promise<Check[]> {
  const count = (room: string) => tags.filter((tag) => tag.startsWith(`${room}:`)).length;
  const { modelsDir, dataDir, homeDir } = folders;
  const models = existsSync(modelsDir)
    ? required("models", true, `${modelsDir}: ${count("model")} files`)
    : required(
        "models",
        false,
        `there is no folder ${modelsDir}; create it or set FMLAB_MODELS_DIR`,
      );
  const data: Check =
    dataDir === undefined
      ? optional("data", false, "FMLAB_DATA_DIR is not set")
      : required("data", existsSync(dataDir), `${dataDir}: ${count("data")} files`);
  return [models, data, await diskCheck(existsSync(homeDir) ? homeDir : ".")];
}

async function diskCheck(folder: string): Promise<Check> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  return required("disk", free >= FREE_BYTES_MIN, `${(free / GIB).toFixed(1)} GiB free`);
}

async function serverChecks(options: ConnectionOptions, folders: Folders): Promise<Check[]> {
  const isWanted =
    options.url !== undefined ||
    process.env.FMLAB_URL !== undefined ||
    localConnection(folders.homeDir) !== undefined;
  if (!isWanted) {
    return [optional("server", false, "none is known; exec works without one")];
  }
  try {
    const server = new ServerConnection(findConnection(options, "cli", folders.homeDir));
    const health = await askHealth(server);
    const isSame = health.version === fmlabVersion;
    const versions = isSame ? fmlabVersion : `server ${health.version}, here ${fmlabVersion}`;
    return [
      required("server", true, `${server.connection.url} answers`),
      required(
        "versions",
        isSame,
        isSame ? versions : `${versions}; bring both to the same commit`,
      ),
      await tokenCheck(server),
    ];
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return [required("server", false, error.message)];
  }
}

async function askHealth(server: ServerConnection): Promise<{ version: string }> {
  const { url } = server.connection;
  try {
    const response = await fetch(`${url}/api/health`, { signal: AbortSignal.timeout(5_000) });
    return (await response.json()) as { version: string };
  } catch (error) {
    throw server.failureOf(error);
  }
}

async function tokenCheck(server: ServerConnection): Promise<Check> {
  try {
    const projects = await server.query<unknown[]>("project.list", {});
    return required("token", true, `valid, sees ${projects.length} projects`);
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    return required("token", false, error.message);
  }
}
