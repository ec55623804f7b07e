import type { Device } from "@fmlab/ggml";
import type { DeviceName } from "../../src/engine/device/device-names.ts";
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

/** llama.cpp with everything on the card, or with the routed experts on the CPU. */
export function llamaCpp(stage: Stage, expertsOnCpu: boolean): DuelContender {
  const { card, contextLength, model, threads } = stage;
  return {
    name: expertsOnCpu ? "llama.cpp, experts on CPU" : "llama.cpp",
    open() {
      const { vocabularySize } = model.description;
      const options = { contextLength, expertsOnCpu, threads, vocabularySize };
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
