import { MoeError } from "../errors.ts";

/**
 * Measured times of one layer, whole nanoseconds, so that comparisons are exact. Names in brackets
 * are Klotski's.
 */
export interface StageTimes {
  /** Attention of one batch (tc_A), and its router (tc_G). */
  readonly attentionNs: number;
  readonly gateNs: number;
  /** An expert's products take `expertNs + rows * expertRowNs` (tc_hotE, tc_Ei). */
  readonly expertNs: number;
  readonly expertRowNs: number;
  /** Transfers of a router (tIO_G), an expert (tIO_E), and an attention block (tIO_A). */
  readonly gateTransferNs: number;
  readonly expertTransferNs: number;
  readonly attentionTransferNs: number;
}

/** What the number of batches depends on. */
export interface GroupPlanInput {
  readonly times: StageTimes;
  /** Experts prefetched as hot ones (K). */
  readonly hotCount: number;
  /** Rows of expert products that one batch asks for in a layer, and those of its hot experts. */
  readonly rowsPerBatch: number;
  readonly hotRowsPerBatch: number;
  /** Other experts that a group of `n` batches chooses in a layer (|Q|), from statistics. */
  readonly queued: (n: number) => number;
  /** Memory of everything that does not grow with the group, of one batch, and in all. */
  readonly fixedBytes: number;
  readonly batchBytes: number;
  readonly memoryBytes: number;
  /** No more batches than this. */
  readonly batchesMax: number;
}

/** One inequality at the planned number of batches. */
export interface PlannedInequality {
  /** Its number in the paper. */
  readonly equation: 4 | 5 | 6 | 7;
  /** What must be over before what. */
  readonly meaning: string;
  /** Computing that hides, and transfers that are to be hidden, ms. */
  readonly computeMs: number;
  readonly transferMs: number;
  readonly holds: boolean;
  /** The fewest batches for which it holds by itself; null when none up to the limit do. */
  readonly batchesMin: number | null;
}

/** How many batches make a group, and why. */
export interface GroupPlan {
  readonly batches: number;
  /** The fewest batches that hide all transfers; null when no number does. */
  readonly batchesWanted: number | null;
  /** What decided: the inequality that asks for the most batches, memory, or the limit. */
  readonly boundBy: "equation 4" | "equation 5" | "equation 6" | "equation 7" | "memory" | "limit";
  readonly batchesByMemory: number;
  readonly inequalities: readonly PlannedInequality[];
}

/** Numbers of batches looked at; more never pay, since only memory grows. Chosen. */
const BATCHES_SEARCHED = 4096;

const MEANINGS = {
  4: "router's transfer during attention",
  5: "hot experts' transfers during attention and router",
  6: "one expert more while the hot ones compute",
  7: "all chosen experts and the next attention within the layer",
} as const;
const EQUATIONS = [4, 5, 6, 7] as const;

/**
 * The smallest number of batches for which computing hides every transfer, as far as memory allows.
 *
 * @throws MoeError `GROUP_TOO_LARGE` when not even one batch fits in memory
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, inequalities (3) to (7)
 */
export function planGroup(input: GroupPlanInput): GroupPlan {
  const { batchBytes, batchesMax, fixedBytes, memoryBytes } = input;
  const batchesByMemory = Math.floor((memoryBytes - fixedBytes) / batchBytes);
  if (batchesByMemory < 1) throw tooLarge(fixedBytes + batchBytes, memoryBytes);
  const wanted = smallest((n) => EQUATIONS.every((equation) => holds(input, equation, n)));
  const most = Math.min(batchesByMemory, batchesMax);
  const batches = Math.min(wanted ?? most, most);
  const inequalities = EQUATIONS.map((equation): PlannedInequality => {
    const { computeNs, transferNs } = sides(input, equation, batches);
    return {
      equation,
      meaning: MEANINGS[equation],
      computeMs: computeNs / 1e6,
      transferMs: transferNs / 1e6,
      holds: computeNs >= transferNs,
      batchesMin: smallest((n) => holds(input, equation, n)),
    };
  });
  const isCapped = wanted === null || wanted > most;
  const cap = batchesByMemory < batchesMax ? "memory" : "limit";
  return {
    batches,
    batchesWanted: wanted,
    boundBy: isCapped ? cap : `equation ${binding(inequalities)}`,
    batchesByMemory,
    inequalities,
  };
}

/** Both sides of an inequality for groups of `n` batches: computing, and transfers. */
export function sides(
  input: GroupPlanInput,
  equation: 4 | 5 | 6 | 7,
  n: number,
): { computeNs: number; transferNs: number } {
  const { times, hotCount } = input;
  const { attentionNs, gateNs, expertNs, expertRowNs } = times;
  const { gateTransferNs, expertTransferNs, attentionTransferNs } = times;
  const routed = n * (attentionNs + gateNs);
  const hot = hotCount * expertNs + n * input.hotRowsPerBatch * expertRowNs;
  const queued = input.queued(n);
  const others = queued * expertNs + n * (input.rowsPerBatch - input.hotRowsPerBatch) * expertRowNs;
  switch (equation) {
    case 4:
      return { computeNs: n * attentionNs, transferNs: gateTransferNs };
    case 5:
      return { computeNs: routed, transferNs: gateTransferNs + hotCount * expertTransferNs };
    case 6:
      return {
        computeNs: routed + hot,
        transferNs: gateTransferNs + (hotCount + 1) * expertTransferNs,
      };
    case 7:
      return {
        computeNs: routed + hot + others,
        transferNs: gateTransferNs + (hotCount + queued) * expertTransferNs + attentionTransferNs,
      };
  }
}

function holds(input: GroupPlanInput, equation: 4 | 5 | 6 | 7, n: number): boolean {
  const { computeNs, transferNs } = sides(input, equation, n);
  return computeNs >= transferNs;
}

function smallest(isEnough: (n: number) => boolean): number | null {
  for (let n = 1; n <= BATCHES_SEARCHED; n++) if (isEnough(n)) return n;
  return null;
}

/** The inequality that asks for the most batches; of several the first. */
function binding(inequalities: readonly PlannedInequality[]): 4 | 5 | 6 | 7 {
  const most = (one: PlannedInequality) => one.batchesMin ?? Number.POSITIVE_INFINITY;
  return inequalities.reduce((best, one) => (most(one) > most(best) ? one : best)).equation;
}

function tooLarge(neededBytes: number, memoryBytes: number): MoeError {
  return new MoeError(
    `one batch needs ${neededBytes} bytes of memory with the slots, but ${memoryBytes} are ` +
      "allowed. Lower the batch size, the prompt length or the slots, or raise memoryMiB.",
    { code: "GROUP_TOO_LARGE", neededBytes, memoryBytes },
  );
}
