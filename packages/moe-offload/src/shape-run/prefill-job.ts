import type { DeviceName } from "../engine/device/device-names.ts";
import type { ShapeName } from "../shapes/shape-names.ts";
import type { ShapeType } from "../shapes/shape-types.ts";
import type { PrefillStrategyName } from "./prefill-names.ts";
import type { PlannedPrefill } from "./prefill-plan.ts";

/** What is run: prompts over one shape, under several budgets with several strategies. */
export interface ShapePrefillJob {
  readonly kind: "shape-prefill";
  readonly shape: ShapeName;
  /** Layers that are kept; 0: all. */
  readonly layerCount: number;
  /** Divides widths; 1: true sizes. */
  readonly widthDivisor: number;
  readonly storage: ShapeType;
  readonly device: DeviceName;
  /** Experts that fast memory holds, staging included; by budget. */
  readonly slots: readonly number[];
  readonly strategies: readonly PrefillStrategyName[];
  /** Lengths of prompts. */
  readonly promptTokens: readonly number[];
  /** Prompts of each cell that are counted, after one that is not. */
  readonly prompts: number;
  /** Tokens of other texts of the same routers that strategies learn from. */
  readonly trainingTokens: number;
  /** From host memory to slots, MB/s; 0: as fast as the machine is. */
  readonly linkMBps: number;
  /** Attention and router of a layer take as long at least, ms; 0: as long as they take. */
  readonly layerMs: number;
  readonly threads: number;
  readonly seed: number;
}

/** Prompts of one length with every expert in a slot. */
export interface ResidentPrefill {
  readonly promptTokens: number;
  /** By prompt, ms. */
  readonly promptMs: readonly number[];
}

/** One strategy under one budget with prompts of one length. */
export interface PrefillCellResult {
  readonly strategy: PrefillStrategyName;
  readonly plan: PlannedPrefill | undefined;
  readonly slots: number;
  readonly promptTokens: number;
  /** By counted prompt, in the order of the texts, ms. */
  readonly promptMs: readonly number[];
  /** Means a prompt: bytes of needed experts that lay in no slot at its start, and loaded ones. */
  readonly missedBytes: number;
  readonly loadedBytes: number;
  /** Time in which the computation waited for experts, and in which something was copied, ms. */
  readonly waitMs: number;
  readonly copyMs: number;
  /** Share of the copying in which nothing waited. */
  readonly hiddenShare: number;
  /** `max(resident, missed bytes / link)` a prompt, and its share of the time taken. */
  readonly boundMs: number;
  readonly boundShare: number;
}

/** What a run gives. */
export interface ShapePrefillResult {
  readonly label: { readonly title: string; readonly notes: readonly string[] };
  readonly deviceName: string;
  readonly expertBytes: number;
  readonly expertTotal: number;
  readonly layerCount: number;
  /** Between host memory and slots, experts waiting for nothing, MB/s. */
  readonly measuredLinkMBps: number;
  readonly resident: readonly ResidentPrefill[];
  readonly cells: readonly PrefillCellResult[];
}
