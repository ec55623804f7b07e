import { type GgufFile, openGguf } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import { EXPERT_PARTS } from "../engine/interfaces.ts";
import { PromptGraph } from "../engine/prompt-graph.ts";
import { residentStream } from "./resident-stream.ts";
import { openStreamMachine, type StreamMachine } from "./stream-machine.ts";
import { WavePrefill } from "./wave-prefill.ts";

/** How all experts of a model are made resident. */
export interface ResidentOptions {
  readonly modelPath: string;
  /** Where the model is computed; default: the CPU. */
  readonly device?: DeviceName | undefined;
  readonly threads: number;
  readonly tokensMax: number;
}

/**
 * Evaluates prompts with memory for every expert, as one graph: the fastest that a prompt can be,
 * and what waves are compared with.
 */
export class ResidentPrompt {
  readonly #file: GgufFile;
  readonly #opened: StreamMachine;
  readonly #graph: PromptGraph;
  /** On a card, where products by index round otherwise than each expert's own. */
  readonly #waves: WavePrefill | undefined;

  /**
   * Loads all experts.
   * @throws GgufError | MoeError | GgmlError | EngineError for a file or machine that does not do
   */
  constructor(options: ResidentOptions) {
    this.#file = openGguf(options.modelPath);
    let opened: StreamMachine | undefined;
    try {
      opened = openStreamMachine(this.#file, {
        slotsOf: (layout) => layout.moeLayers.length * layout.expertCount,
        device: options.device,
        threads: options.threads,
        contextLength: options.tokensMax,
        batchTokens: options.tokensMax,
      });
      this.#opened = opened;
      const { layout, machine } = opened;
      loadAll(this.#file, opened);
      this.#graph = new PromptGraph(machine);
      this.#waves = machine.device.isHost
        ? undefined
        : new WavePrefill(machine, residentStream(layout, machine.pool), { nowMs: () => 0 });
    } catch (error) {
      opened?.close();
      this.#file.close();
      throw error;
    }
  }

  /** Logits of the last token as one graph, `[vocabulary]`, used again by the next call. */
  evaluate(tokens: ArrayLike<number>): Float32Array {
    const tokenCount = tokens.length;
    this.#opened.machine.context.enter(tokens, 0, tokenCount, 0);
    return this.#graph.evaluate({
      tokenCount,
      position: 0,
      wantsLogits: true,
      onRouting: undefined,
    });
  }

  /**
   * The logits that waves must give to the bit: on the host those of `evaluate`, on a card those of
   * the same graphs with every expert there.
   */
  expect(tokens: ArrayLike<number>): Float32Array {
    if (!this.#waves) return this.evaluate(tokens);
    const tokenCount = tokens.length;
    this.#opened.machine.context.enter(tokens, 0, tokenCount, 0);
    return this.#waves.evaluate({ tokenCount, position: 0, wantsLogits: true });
  }

  /** Frees memory and file handle. */
  close(): void {
    this.#waves?.close();
    this.#graph.close();
    this.#opened.close();
    this.#file.close();
  }
}

function loadAll(file: GgufFile, { layout, machine: { device, pool } }: StreamMachine): void {
  for (const layer of layout.moeLayers) {
    for (let expert = 0; expert < layout.expertCount; expert++) {
      const slot = pool.residentSlot(layer, expert);
      for (const part of EXPERT_PARTS) {
        const { offset, fileIndex, sizeBytes } = layout.range(layer, expert, part);
        const bytes = device.isHost ? pool.view(slot, part) : new Uint8Array(sizeBytes);
        file.read(offset, bytes, fileIndex);
        if (!device.isHost) pool.write(slot, part, bytes);
      }
    }
  }
}
