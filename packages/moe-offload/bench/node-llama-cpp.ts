import type { Contender } from "./paired.ts";

/** The parts of node-llama-cpp 3 that are used here. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(
        options: object,
      ): Promise<{ getSequence(): Sequence; dispose(): Promise<void> }>;
      dispose(): Promise<void>;
    }>;
    dispose(): Promise<void>;
  }>;
}

interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: number[], options: object): AsyncGenerator<number>;
}

/**
 * node-llama-cpp as a contender, when it is installed: it is no dependency of this repository.
 * It generates greedily from the same first token, since it offers no teacher forcing per token.
 */
export async function openNodeLlamaCpp(
  modelPath: string,
  options: { threads: number; contextLength: number; tokens: number; first: number },
): Promise<(Contender & { close(): Promise<void> }) | undefined> {
  const specifier = "node-llama-cpp";
  let module: NodeLlamaCpp;
  try {
    module = (await import(specifier)) as NodeLlamaCpp;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
  const llama = await module.getLlama({ gpu: false, build: "never", logLevel: "error" });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    contextSize: options.contextLength,
    threads: options.threads,
    flashAttention: true,
  });
  const sequence = context.getSequence();
  return {
    name: "node-llama-cpp",
    async run() {
      await sequence.clearHistory();
      let count = 0;
      const generated = sequence.evaluate([options.first], {
        temperature: 0,
        yieldEogToken: true,
      });
      for await (const _ of generated) if (++count >= options.tokens) break;
    },
    async close() {
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}
