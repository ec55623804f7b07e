import type { CpuChoiceName } from "../offload/cpu-choice-names.ts";
import type { CpuExpertOptions } from "../offload/cpu-experts.ts";

/** Which cells leave missed experts to the CPU: what a plan decides, or all, in one way. */
export const CELL_CPU_CHOICES = ["planned", "balanced", "always"] as const;

/** What a run says of missed experts on the CPU. */
export interface CellCpu {
  /** Threads; 0: the CPU never computes experts. */
  readonly threads: number;
  /**
   * `planned`: planned cells share misses between link and CPU where a replay says that it is
   * faster, all others copy them. Else every cell does so in this way.
   */
  readonly choice: "planned" | CpuChoiceName;
}

/** The ways in which a cell may answer its misses, undefined for copying all; a plan takes one. */
export function waysOf(
  { choice, threads }: CellCpu,
  isPlanned: boolean,
): readonly (CpuExpertOptions | undefined)[] {
  if (threads === 0) return [undefined];
  if (choice !== "planned") return [{ threads, choice }];
  return isPlanned ? [undefined, { threads, choice: "balanced" }] : [undefined];
}
