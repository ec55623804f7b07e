import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import {
  type BrainSettings,
  readRules,
  type StartedServer,
  startDecisions,
  startExtender,
  startKubeScheduler,
  startOpenFaas,
  timekeeper,
} from "@fmlab/cnc-brain";
import { isDomainError } from "@fmlab/experiment";
import { usageError } from "../errors.ts";
import { fmlabVersion } from "../repository.ts";
import { parseWhole } from "./config-input.ts";
import { EXIT } from "./exit-code.ts";
import { note } from "./terminal.ts";

/** Flags that every `fmlab brain` command has. */
export interface BrainOptions {
  host: string;
  port: string;
  policy: string;
  fallback: string;
  seed: string;
  audit?: string;
}

/** Flags of the commands that talk to Kubernetes. */
export interface KubernetesOptions extends BrainOptions {
  rules?: string;
  kubeconfig?: string;
  context?: string;
}

/** Flags of `fmlab brain kube-scheduler`. */
export interface KubeSchedulerOptions extends KubernetesOptions {
  schedulerName: string;
  leaseNamespace: string;
  identity?: string;
  bindings: string;
}

/** Flags of `fmlab brain openfaas`. */
export interface OpenFaasOptions {
  host: string;
  port: string;
  images?: string;
  allowCommands: boolean;
  user: string;
  passwordFile?: string;
  namespaces: string;
  cores?: string;
  replicasMax: string;
  role: string;
}

/** This machine's clocks: only a command that serves takes them. */
const time = timekeeper(
  () => performance.now(),
  () => Date.now(),
);

/** `fmlab brain serve`: decisions over HTTP for a cluster that a file describes. */
export function brainServeCommand(cluster: string, options: BrainOptions): Promise<number> {
  const settings = { ...settingsOf(options), cluster: readJson(cluster) };
  return serveUntilStopped("decisions", () => startDecisions(settings, time));
}

/** `fmlab brain kube-scheduler`: a scheduler of pods that name it. */
export function brainKubeSchedulerCommand(options: KubeSchedulerOptions): Promise<number> {
  return serveUntilStopped("scheduler", () =>
    startKubeScheduler(
      {
        ...kubernetesOf(options),
        schedulerName: options.schedulerName,
        leaseNamespace: options.leaseNamespace,
        leaseName: options.schedulerName,
        identity: options.identity ?? `${hostname()}_${process.pid}`,
        bindingsMax: parseWhole("--bindings", options.bindings, 1),
      },
      time,
    ),
  );
}

/** `fmlab brain extender`: filter, prioritise and bind for Kubernetes' own scheduler. */
export function brainExtenderCommand(
  options: KubernetesOptions & { prefix: string; cached: boolean },
): Promise<number> {
  const { prefix, cached: isCached } = options;
  return serveUntilStopped("extender", () =>
    startExtender({ ...kubernetesOf(options), prefix, isCached }, time),
  );
}

/** `fmlab brain openfaas`: OpenFaaS's API over processes of this machine. */
export function brainOpenFaasCommand(options: OpenFaasOptions): Promise<number> {
  const { host, user, passwordFile, role } = options;
  const isLocal = ["127.0.0.1", "::1", "localhost"].includes(host);
  if (passwordFile === undefined && !isLocal) {
    throw usageError(`whoever reaches ${host} could run programs: give --password-file`);
  }
  if (role !== "provider" && role !== "gateway") {
    throw usageError(`--role must be provider or gateway, got ${role}`);
  }
  const settings = {
    host,
    port: parseWhole("--port", options.port),
    images: options.images === undefined ? {} : readJson(options.images),
    allowsCommands: options.allowCommands,
    credentials:
      passwordFile === undefined ? undefined : { user, password: readText(passwordFile).trim() },
    namespaces: options.namespaces.split(",").filter((name) => name !== ""),
    cores:
      options.cores === undefined
        ? Number.POSITIVE_INFINITY
        : parseWhole("--cores", options.cores, 1),
    replicasMax: parseWhole("--replicas-max", options.replicasMax, 1),
    version: { release: fmlabVersion, sha: "" },
    role: role as "provider" | "gateway",
  };
  return serveUntilStopped("openfaas", () => startOpenFaas(settings, time));
}

/** Serves until SIGINT or SIGTERM, then ends what is under way. */
async function serveUntilStopped(
  what: string,
  start: () => Promise<StartedServer>,
): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  const server = await start().catch((error: unknown) => {
    if (isDomainError(error)) throw usageError(error.message);
    throw error;
  });
  note(`brain: ${what} at ${server.address}`);
  await stopped;
  await server.stop();
  return EXIT.success;
}

function settingsOf(options: BrainOptions): BrainSettings & { host: string; port: number } {
  return {
    host: options.host,
    port: parseWhole("--port", options.port),
    policy: options.policy,
    fallback: options.fallback,
    seed: parseWhole("--seed", options.seed),
    auditFile: options.audit,
  };
}

function kubernetesOf(options: KubernetesOptions) {
  try {
    const rules = readRules(options.rules === undefined ? {} : readJson(options.rules));
    const { kubeconfig, context } = options;
    return { ...settingsOf(options), rules, kubeconfig, context };
  } catch (error) {
    if (isDomainError(error)) throw usageError(error.message);
    throw error;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usageError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readText(path));
  } catch (error) {
    if (isDomainError(error)) throw error;
    throw usageError(`${path} is not JSON: ${(error as Error).message}`);
  }
}
