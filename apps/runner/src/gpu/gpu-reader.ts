import type { GpuFacts, MachineMetricKey } from "@fmlab/experiment";
import { NvmlReader } from "./nvml-reader.ts";
import { SmiReader } from "./smi-reader.ts";

/** One look at one GPU; what the driver does not tell is left out. */
export type GpuSample = Partial<Record<MachineMetricKey, number>>;

/** What can be learned of this machine's GPUs. Both methods tell the same cards in one order. */
export interface GpuReader {
  /** How they are read; some ways cost too much to look more often than this. */
  readonly source: "NVML" | "nvidia-smi";
  readonly intervalMsMin: number;
  facts(): Promise<GpuFacts[]>;
  sample(): Promise<GpuSample[]>;
}

let known: Promise<GpuReader | undefined> | undefined;

/**
 * This machine's GPUs: by NVML, else by nvidia-smi; undefined where neither finds one. Opened once
 * a process, since the driver takes its time.
 */
export function gpuReader(): Promise<GpuReader | undefined> {
  known ??= openGpuReader();
  return known;
}

/**
 * Looks for GPUs anew. `FMLAB_NVML_LIBRARY` names NVML where it lies in an unusual place, and
 * `CUDA_VISIBLE_DEVICES` hides cards here as it does from CUDA.
 */
export async function openGpuReader(
  env: NodeJS.ProcessEnv = process.env,
): Promise<GpuReader | undefined> {
  return (await NvmlReader.open(env)) ?? (await SmiReader.open(env));
}
