import { createPrng } from "@fmlab/sim";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadedModel } from "../../src/offload/offloaded-model.ts";
import { STRATEGIES } from "../../src/offload/strategies.ts";
import { openShape } from "../../src/shapes/shape-file.ts";
import { SHAPE_MODELS } from "../../src/shapes/shape-model.ts";
import type { ShapeName } from "../../src/shapes/shape-names.ts";
import type { ShapeType } from "../../src/shapes/shape-types.ts";
import { shrinkShape } from "../../src/shapes/shrink.ts";
import { contentsOf } from "../../src/tiers/expert-contents.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";

/** A shape whose own random routers decide, as a rival's do. */
export interface WeightRoutedRun {
  readonly shape: ShapeName;
  readonly layers: number;
  readonly storage: ShapeType;
  readonly device: DeviceName;
  /** Experts on the card, staging included. */
  readonly budgetBytes: number;
  readonly strategy: "lru" | "load-on-demand";
  readonly threads: number;
  /** Tokens before those that are timed, and those; of one sequence. */
  readonly prompt: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly seed: number;
}

/**
 * Decodes random tokens with experts chosen by the shape's own random routers, all of them in
 * pinned host memory.
 * @returns by round: tokens per second of the timed ones
 * @throws MoeError, EngineError, GgmlError for what does not fit
 */
export function decodeByWeights(run: WeightRoutedRun): number[] {
  const { layers, seed, shape, storage } = run;
  const whole = SHAPE_MODELS[shape];
  const model = layers < whole.layerCount ? shrinkShape(whole, { layerCount: layers }) : whole;
  const file = openShape(model, { storage: { experts: storage, dense: storage }, seed });
  const layout = expertLayout(file, describeModel(file));
  const allBytes = layout.moeLayers.length * layout.expertCount * layout.expertBytes;
  const offloaded = OffloadedModel.open(file, layout, {
    strategy: STRATEGIES[run.strategy],
    budgetBytes: run.budgetBytes,
    host: { budgetBytes: 2 * allBytes, mode: "pinned", preload: true },
    contents: contentsOf(file, layout),
    link: FREE_LINK,
    disk: FREE_LINK,
    device: run.device,
    threads: run.threads,
    contextLength: run.prompt + run.tokens,
    clock: new MonotonicClock(),
    cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
  });
  try {
    const { engine } = offloaded;
    const prng = createPrng(seed, "tokens");
    const write = (count: number) => {
      for (let i = 0; i < count; i++) engine.decode(prng.nextInt(engine.vocabularySize));
    };
    return Array.from({ length: run.rounds }, () => {
      engine.reset();
      write(run.prompt);
      const start = performance.now();
      write(run.tokens);
      return (1000 * run.tokens) / (performance.now() - start);
    });
  } finally {
    offloaded.close();
    file.close();
  }
}
