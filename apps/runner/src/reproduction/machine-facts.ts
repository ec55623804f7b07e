import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import type { MachineFacts } from "@fmlab/experiment";
import { gpuReader } from "../gpu/gpu-reader.ts";

/** Facts about this machine, as far as this process may use it. */
export async function machineFacts(): Promise<MachineFacts> {
  return {
    cpuModel: cpus()[0]?.model.trim() || "unknown",
    cpuCount: Math.min(availableParallelism(), cpuQuota()),
    memoryBytes: Math.min(totalmem(), memoryLimitBytes()),
    platform: process.platform,
    arch: process.arch,
    kernel: release(),
    nodeVersion: process.version,
    gpus: (await (await gpuReader())?.facts()) ?? [],
  };
}

/**
 * CPUs granted by cgroup v2 (`cpu.max`: quota and period), rounded up; infinite without a quota.
 */
function cpuQuota(): number {
  const [quota, period] = readCgroup("cpu.max").split(" ");
  const share = Number(quota) / Number(period);
  return Number.isFinite(share) && share > 0
    ? Math.max(1, Math.ceil(share))
    : Number.POSITIVE_INFINITY;
}

function memoryLimitBytes(): number {
  const limit = Number(readCgroup("memory.max").trim() || Number.NaN);
  return Number.isFinite(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

function readCgroup(file: string): string {
  try {
    return readFileSync(`/sys/fs/cgroup/${file}`, "utf8");
  } catch {
    return "";
  }
}
