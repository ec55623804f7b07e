import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = "/sys/fs/cgroup";

/** Names of the files of a memory controller. */
interface Controller {
  readonly limit: string;
  readonly peak: string;
  readonly current: string;
  readonly mount: string;
}
const V1: Controller = {
  mount: path.join(ROOT, "memory"),
  limit: "memory.limit_in_bytes",
  peak: "memory.max_usage_in_bytes",
  current: "memory.usage_in_bytes",
};
const V2: Controller = {
  mount: ROOT,
  limit: "memory.max",
  peak: "memory.peak",
  current: "memory.current",
};

/**
 * A control group that limits the memory of the processes in it, page cache included: pages of a
 * file count for the group that first touched them.
 *
 * @see Linux Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst
 */
export class MemoryGroup {
  readonly #folder: string;
  readonly #controller: Controller;

  /**
   * Below this process's own group if it may have children with a limit, else beside it.
   * @returns a reason in words when no such group can be made here
   */
  static create(name: string, limitBytes: number): MemoryGroup | string {
    const reasons: string[] = [];
    for (const { controller, parent } of candidates()) {
      const folder = path.join(parent, name);
      try {
        mkdirSync(folder);
      } catch (error) {
        reasons.push(`${folder}: ${(error as Error).message}`);
        continue;
      }
      const group = new MemoryGroup(folder, controller);
      try {
        group.#write(controller.limit, String(limitBytes));
        // Swapped pages would not count.
        if (existsSync(path.join(folder, "memory.swap.max"))) group.#write("memory.swap.max", "0");
        return group;
      } catch (error) {
        reasons.push(`${folder}: ${(error as Error).message}`);
        group.remove();
      }
    }
    return reasons.join("; ") || `${ROOT} has no memory controller`;
  }

  private constructor(folder: string, controller: Controller) {
    this.#folder = folder;
    this.#controller = controller;
  }

  /** The file to which a process writes its number to enter the group. */
  get entrance(): string {
    return path.join(this.#folder, "cgroup.procs");
  }

  /** Most memory used so far, page cache included; 0 where the kernel does not tell. */
  get peakBytes(): number {
    return this.#read(this.#controller.peak);
  }

  /** Lets go of pages that nobody uses, so that the next process begins with an empty group. */
  empty(): void {
    const force = path.join(this.#folder, "memory.force_empty");
    if (existsSync(force)) writeFileSync(force, "0");
    const peak = path.join(this.#folder, this.#controller.peak);
    // Version 2 resets a peak per open file only; it then holds over all processes.
    if (this.#controller === V1) writeFileSync(peak, "0");
  }

  /** Removes the group; its processes must have ended. */
  remove(): void {
    rmdirSync(this.#folder);
  }

  #read(file: string): number {
    const at = path.join(this.#folder, file);
    return existsSync(at) ? Number(readFileSync(at, "utf8").trim()) : 0;
  }

  #write(file: string, value: string): void {
    writeFileSync(path.join(this.#folder, file), value);
  }
}

function candidates(): { controller: Controller; parent: string }[] {
  const groups = readFileSync("/proc/self/cgroup", "utf8").trim().split("\n");
  const own = (pattern: RegExp) =>
    groups.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
  const first = own(/^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/);
  if (first !== undefined && existsSync(path.join(V1.mount, V1.limit))) {
    const parent = path.join(V1.mount, first);
    return [{ controller: V1, parent: existsSync(parent) ? parent : V1.mount }];
  }
  const second = own(/^0::(.*)$/);
  if (second === undefined) return [];
  // A group of version 2 that has processes has no children with limits: its parent may.
  const parents = [path.join(ROOT, second), path.dirname(path.join(ROOT, second)), ROOT];
  return parents
    .filter((parent) => parent.startsWith(ROOT) && controls(parent))
    .map((parent) => ({ controller: V2, parent }));
}

function controls(folder: string): boolean {
  const file = path.join(folder, "cgroup.subtree_control");
  return existsSync(file) && readFileSync(file, "utf8").split(/\s+/).includes("memory");
}
