import { type GgufFile, openGguf } from "@fmlab/ggml";
import { EXPERT_PARTS } from "../engine/interfaces.ts";
import { PromptGraph } from "../engine/prompt-graph.ts";
import { openStreamMachine, type StreamMachine } from "./stream-machine.ts";

/**
 * Evaluates prompts with memory for every expert, as one graph: the fastest that a prompt can be,
 * and what waves are compared with.
 */
export class ResidentPrompt {
  readonly #file: GgufFile;
  readonly #opened: StreamMachine;
  readonly #graph: PromptGraph;

  /**
   * Loads all experts.
   * @throws GgufError | MoeError | GgmlError | EngineError for a file or machine that does not do
   */
  constructor(options: { modelPath: string; threads: number; tokensMax: number }) {
    this.#file = openGguf(options.modelPath);
    let opened: StreamMachine | undefined;
    try {
      opened = openStreamMachine(this.#file, {
        slotsOf: (layout) => layout.moeLayers.length * layout.expertCount,
        threads: options.threads,
        contextLength: options.tokensMax,
        batchTokens: options.tokensMax,
      });
      this.#opened = opened;
      loadAll(this.#file, opened);
      this.#graph = new PromptGraph(opened.machine);
    } catch (error) {
      opened?.close();
      this.#file.close();
      throw error;
    }
  }

  /** Logits of the last token, `[vocabulary]`, used again by the next call. */
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

  /** Frees memory and file handle. */
  close(): void {
    this.#graph.close();
    this.#opened.close();
    this.#file.close();
  }
}

function loadAll(file: GgufFile, { layout, machine: { pool } }: StreamMachine): void {
  for (const layer of layout.moeLayers) {
    for (let expert = 0; expert < layout.expertCount; expert++) {
      const slot = pool.residentSlot(layer, expert);
      for (const part of EXPERT_PARTS) {
        const { offset, fileIndex } = layout.range(layer, expert, part);
        file.read(offset, pool.view(slot, part), fileIndex);
      }
    }
  }
}
