import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { promisify } from "node:util";
import type { MachineFacts } from "@fmlab/experiment";

const run = promisify(execFile);

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
    gpus: await gpus(),
  };
}

/** NVIDIA GPUs by nvidia-smi; none when it is not there or does not answer. */
async function gpus(): Promise<MachineFacts["gpus"]> {
  const query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"];
  try {
    const { stdout } = await run("nvidia-smi", query, { timeout: 10_000 });
    return parseGpus(stdout);
  } catch {
    // No NVIDIA driver on this machine: nothing to report.
    return [];
  }
}

/** Lines of `name, MiB, driver`; exported for tests. */
export function parseGpus(csv: string): MachineFacts["gpus"] {
  return csv
    .split("\n")
    .map((line) => line.split(",").map((part) => part.trim()))
    .flatMap(([name, mebibytes, driver]) =>
      name && driver && Number.isFinite(Number(mebibytes))
        ? [{ name, memoryBytes: Number(mebibytes) * 1024 * 1024, driver }]
        : [],
    );
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
