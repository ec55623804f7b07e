import type { Device } from "@fmlab/ggml";
import type { Calibration } from "../../src/calibration/calibration.ts";
import { calibrationPath, readCalibration } from "../../src/calibration/calibration-file.ts";
import { isCalibrated } from "../../src/calibration/obtain.ts";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
import { MoeError } from "../../src/errors.ts";
import { STRATEGIES, type StrategyName } from "../../src/offload/strategies.ts";
import { modelIdentity } from "../../src/precision/model-identity.ts";
import { DeviceLlama } from "./device-llama.ts";
import type { DuelContender } from "./duel.ts";
import { type BenchModel, openOn } from "./open-model.ts";

/** A model on a card, for every contender alike. */
export interface Stage {
  readonly model: BenchModel;
  readonly name: DeviceName;
  readonly card: Device;
  readonly contextLength: number;
  /** Threads of what llama.cpp computes on the CPU. */
  readonly threads: number;
}

/** This engine with everything on the card. */
export function ownEngine({ contextLength, model, name }: Stage): DuelContender {
  return {
    name: "fmlab",
    open() {
      const opened = openOn(model, { device: name, contextLength });
      const { engine } = opened;
      return {
        reset: () => engine.reset(),
        prefill: (tokens) => engine.prefill(tokens),
        decode: (token) => engine.decode(token),
        close: () => opened.close(),
      };
    },
  };
}

/** How this engine holds a part of the experts on the card. */
export interface PartPlacement {
  readonly strategy: StrategyName;
  /** Experts on the card, staging included. */
  readonly budgetBytes: number;
  /** Threads that compute missed experts on the CPU; 0: all are copied to the card. */
  readonly cpuThreads: number;
}

/**
 * This engine with a part of the experts on the card and all of them in pinned host memory. Prompts
 * are evaluated token by token, as the engine does without a planned pass.
 */
export function ownOffloaded(
  { contextLength, model, name }: Stage,
  { budgetBytes, cpuThreads, strategy }: PartPlacement,
): DuelContender {
  const calibration = calibrationOf(model, strategy);
  const host = { budgetBytes: 2 * model.expertBytes, mode: "pinned", preload: true } as const;
  return {
    name: `fmlab, ${strategy}`,
    open() {
      const opened = withLeast(budgetBytes, (bytes) =>
        openOn(model, {
          ...{ device: name, contextLength, budgetBytes: bytes, host, calibration },
          strategy: STRATEGIES[strategy],
          cpuExperts: cpuThreads > 0 ? { threads: cpuThreads, choice: "balanced" } : undefined,
        }),
      );
      const { engine } = opened;
      return {
        reset: () => engine.reset(),
        prefill: (tokens) => engine.prefill(tokens),
        decode: (token) => engine.decode(token),
        close: () => opened.close(),
      };
    },
  };
}

/** Opens with a budget, or with the least that can be worked with where that is more. */
export function withLeast<T>(budgetBytes: number, open: (budgetBytes: number) => T): T {
  try {
    return open(Math.max(1, budgetBytes));
  } catch (error) {
    const failure = error instanceof MoeError ? error.failure : undefined;
    if (failure?.code !== "BUDGET_TOO_SMALL") throw error;
    return open(failure.neededBytes);
  }
}

/** llama.cpp on the card, with the routed experts of so many first layers on the CPU. */
export function llamaCpp(stage: Stage, cpuLayers: number): DuelContender {
  const { card, contextLength, model, threads } = stage;
  return {
    name: cpuLayers > 0 ? `llama.cpp, experts of ${cpuLayers} layers on CPU` : "llama.cpp",
    open() {
      const { vocabularySize } = model.description;
      const options = { contextLength, cpuLayers, threads, vocabularySize };
      const llama = new DeviceLlama(model.path, card, options);
      return {
        reset: () => llama.reset(),
        prefill: (tokens) => llama.evaluate(tokens),
        decode: (token) => llama.evaluateOne(token),
        close: () => llama.close(),
      };
    },
  };
}

/**
 * Bytes of routed experts that llama.cpp leaves on the card when those of the first layers are
 * computed on the CPU.
 */
export function expertBytesBeyond(
  { layout }: Pick<BenchModel, "layout">,
  cpuLayers: number,
): number {
  return layout.classes.reduce((sum, { expertBytes, layers }) => {
    const onCard = layers.filter((layer) => layer >= cpuLayers).length;
    return sum + onCard * layout.expertCount * expertBytes;
  }, 0);
}

function calibrationOf(model: BenchModel, strategy: StrategyName): Calibration | undefined {
  if (!isCalibrated(STRATEGIES[strategy])) return undefined;
  const path = calibrationPath(model.path);
  const calibration = readCalibration(path, model.layout, modelIdentity(model.file));
  if (calibration) return calibration;
  throw new Error(`--strategy ${strategy} needs a calibration, and there is no ${path}`);
}
