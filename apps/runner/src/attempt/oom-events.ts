import { readFileSync } from "node:fs";

/**
 * How often the kernel's out-of-memory killer has struck, as far as this process can see: in its
 * own cgroup, or on the whole machine. NaN where neither counter exists (not Linux).
 */
export function oomKillCount(root = "/"): number {
  const own = cgroupFolder(root);
  const counters = [
    ...(own === undefined ? [] : [`${root}sys/fs/cgroup${own}/memory.events`]),
    `${root}sys/fs/cgroup/memory.events`,
    `${root}proc/vmstat`,
  ];
  const counts = counters.map((file) => counter(file)).filter((n) => n !== undefined);
  return counts.length === 0 ? Number.NaN : counts.reduce((sum, n) => sum + n, 0);
}

function cgroupFolder(root: string): string | undefined {
  const line = read(`${root}proc/self/cgroup`)
    .split("\n")
    .find((entry) => entry.startsWith("0::"));
  const folder = line?.slice(3);
  return folder === undefined || folder === "/" ? undefined : folder;
}

function counter(file: string): number | undefined {
  const found = /^oom_kill (\d+)$/m.exec(read(file));
  return found === null ? undefined : Number(found[1]);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
