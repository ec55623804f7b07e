/** Names of the schedules, for configs. */
export const SCHEDULE_NAMES = [
  "no-overlap",
  "simple-pipeline",
  "zig-zag",
  "hot-prefetch",
  "klotski",
  "klotski-q",
  "aggressive",
] as const;
/** One of `SCHEDULE_NAMES`. */
export type ScheduleName = (typeof SCHEDULE_NAMES)[number];

/** How batches go through the layers, as switches. */
export interface Schedule {
  readonly name: ScheduleName;
  /** One sentence for forms and docs. */
  readonly help: string;
  /** The batches of a group share every load of an expert; else each batch runs by itself. */
  readonly sharesLoads: boolean;
  /** What is loaded of a layer: all its experts, or those that its tokens chose. */
  readonly loads: "whole-layer" | "chosen";
  /**
   * What is loaded before the routers of a layer have chosen: nothing; the whole layer while the
   * one before it computes; the experts that a table of correlations expects most; or whatever will
   * probably be needed, as far ahead as memory allows.
   */
  readonly ahead: "nothing" | "next-layer" | "hot" | "expected";
  /**
   * Order of experts: batch by batch, by number in each; or one expert after the other over the
   * tokens of all batches, hot ones first and then as they arrive.
   */
  readonly order: "by-batch" | "by-arrival";
  /** Loads low-precision twins of the experts, which changes what is computed. */
  readonly usesTwins?: boolean;
}

/**
 * The five steps of Klotski's ablation (Table 3) and its baselines; the paper's steps build on each
 * other, so the step "multi batches" is FlexGen's zig-zag block over a mixture of experts.
 *
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, sections 3 and 9; FlexGen, arXiv 2303.06865
 */
export const SCHEDULES: Readonly<Record<ScheduleName, Schedule>> = {
  "no-overlap": {
    name: "no-overlap",
    help: "Loads every expert of a layer, then computes the layer (as Accelerate's hooks do).",
    sharesLoads: false,
    loads: "whole-layer",
    ahead: "nothing",
    order: "by-batch",
  },
  "simple-pipeline": {
    name: "simple-pipeline",
    help: "One batch at a time; the whole next layer loads while a layer computes.",
    sharesLoads: false,
    loads: "whole-layer",
    ahead: "next-layer",
    order: "by-batch",
  },
  "zig-zag": {
    name: "zig-zag",
    help: "A group of batches shares the loads of whole layers (FlexGen; + multi batches).",
    sharesLoads: true,
    loads: "whole-layer",
    ahead: "next-layer",
    order: "by-batch",
  },
  "hot-prefetch": {
    name: "hot-prefetch",
    help: "Only hot experts load ahead, others when they are chosen (+ only prefetch hot experts).",
    sharesLoads: true,
    loads: "chosen",
    ahead: "hot",
    order: "by-batch",
  },
  klotski: {
    name: "klotski",
    help: "Each expert computes the tokens of all batches at once, hot and arrived ones first.",
    sharesLoads: true,
    loads: "chosen",
    ahead: "hot",
    order: "by-arrival",
  },
  "klotski-q": {
    name: "klotski-q",
    help: "As klotski, with low-precision twins of the experts; changes what is computed.",
    sharesLoads: true,
    loads: "chosen",
    ahead: "hot",
    order: "by-arrival",
    usesTwins: true,
  },
  aggressive: {
    name: "aggressive",
    help: "As klotski, but all that will probably be needed loads ahead as far as slots allow.",
    sharesLoads: true,
    loads: "chosen",
    ahead: "expected",
    order: "by-arrival",
  },
};
