import {
  type AnyExperiment,
  type GpuFacts,
  type GpuRequirement,
  gpuMisfit,
  gpuTag,
  namesCard,
  type RequiredFile,
  type Requirements,
} from "@fmlab/experiment";
import { ApiError } from "../errors.ts";
import { assertLaunchablePath } from "./launchable-path.ts";

/** What the queue matches: tags a machine must offer, main memory in bytes, and its GPU. */
export interface Needs {
  tags: string[];
  memoryBytes: number;
  /** What one card must have; null: nothing beyond the tags. */
  gpu: GpuRequirement | null;
  files: RequiredFile[];
}

/** What is known of a machine. */
export interface Offer {
  name: string;
  capabilities: readonly string[];
  memoryBytes: number;
  gpus: readonly GpuFacts[];
  /** `{ kind: version }` */
  definitions: Readonly<Record<string, number>>;
}

/** The capability tag of a file. */
export const fileTag = (file: RequiredFile): string => `${file.room}:${file.path}`;

/** @throws ExperimentError `FORBIDDEN_PATH` */
export function needsOf(requires: Requirements): Needs {
  const files = requires.files ?? [];
  for (const file of files) assertLaunchablePath(file.path);
  const { gpu } = requires;
  const card = typeof gpu === "object" && namesCard(gpu) ? gpu : null;
  const gpuTags = typeof gpu === "object" ? [gpuTag(gpu.device)] : gpu ? ["gpu"] : [];
  const tags = [...(requires.tags ?? []), ...gpuTags, ...files.map(fileTag)];
  const memoryBytes = requires.memoryBytes ?? 0;
  return { tags: [...new Set(tags)].sort(), memoryBytes, gpu: card, files };
}

/** Why `machine` cannot run it; undefined when it can. */
export function misfitOf(
  machine: Offer,
  experiment: { kind: string; version: number },
  needs: Pick<Needs, "memoryBytes" | "gpu"> & { tags: readonly string[] },
): string | undefined {
  const version = machine.definitions[experiment.kind];
  if (version === undefined) return `${machine.name} does not know ${experiment.kind}`;
  if (version !== experiment.version) {
    return (
      `${machine.name} has version ${version} of ${experiment.kind}, version ` +
      `${experiment.version} is needed: update fmlab there and restart its agent`
    );
  }
  const missing = needs.tags.filter((tag) => !machine.capabilities.includes(tag));
  if (missing.length > 0) {
    const hint = missing.some((tag) => tag.startsWith("gpu:")) ? ": see `fmlab doctor` there" : "";
    return `${machine.name} lacks ${missing.join(", ")}${hint}`;
  }
  if (machine.memoryBytes < needs.memoryBytes) {
    return `${machine.name} has ${gib(machine.memoryBytes)}, ${gib(needs.memoryBytes)} are needed`;
  }
  const misfit = needs.gpu === null ? undefined : gpuMisfit(machine.gpus, needs.gpu);
  if (misfit !== undefined) return `${machine.name} ${misfit}`;
  return undefined;
}

/** Files that none of the machines has. */
export function missingFiles(machines: readonly Offer[], needs: Needs): RequiredFile[] {
  return needs.files.filter(
    (file) => !machines.some((m) => m.capabilities.includes(fileTag(file))),
  );
}

/**
 * Checks that some machine could run it, now or when it is back.
 *
 * @throws ApiError `NO_MACHINE` or `MISSING_FILES`
 */
export function assertRunnable(
  machines: readonly Offer[],
  definition: AnyExperiment,
  needs: Needs,
): void {
  if (machines.length === 0) {
    throw new ApiError(
      "no machine is registered in this organisation: start one with `fmlab agent`, then launch again",
      { code: "NO_MACHINE", reasons: [] },
    );
  }
  const files = missingFiles(machines, needs);
  if (files.length > 0) {
    const told = files.map((f) => `${f.path} (from ${f.source}, licence ${f.licence})`).join("; ");
    throw new ApiError(
      `no machine has ${told}. Put it into the models or data folder of a machine; its agent offers ` +
        "it within a few seconds.",
      { code: "MISSING_FILES", files },
    );
  }
  const reasons = machines.map((m) => misfitOf(m, definition, needs));
  if (reasons.includes(undefined)) return;
  const told = reasons.filter((r) => r !== undefined);
  throw new ApiError(`no machine can run this: ${told.slice(0, 5).join("; ")}`, {
    code: "NO_MACHINE",
    reasons: told,
  });
}

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB of memory`;
