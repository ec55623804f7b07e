import type { Device } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { DeviceLlama } from "./device-llama.ts";
import { LlamaBatch } from "./llama-batch.ts";

/** Sequences that llama.cpp generates together. */
export interface LlamaGroup {
  readonly path: string;
  readonly card: Device;
  readonly vocabularySize: number;
  /** The experts of so many first layers lie in host memory. */
  readonly cpuLayers: number;
  readonly threads: number;
  readonly sequences: number;
  readonly prompt: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly seed: number;
}

/** Time of one round. */
export interface GroupRound {
  readonly prefillSeconds: number;
  readonly decodeSeconds: number;
}

/** Contexts of a sequence are multiples of this. */
const CONTEXT_STEP = 256;
/** Tokens that are computed together, `--ubatch-size`: experts are brought once for so many. */
const TOGETHER_TOKENS = 2048;

/** Prompts of all sequences, then their tokens step by step, greedily; a round before warms up. */
export function runLlamaGroup(group: LlamaGroup): GroupRound[] {
  const { card, path, prompt, rounds, sequences, tokens } = group;
  const perSequence = CONTEXT_STEP * Math.ceil((prompt + tokens) / CONTEXT_STEP);
  const llama = new DeviceLlama(path, card, {
    contextLength: perSequence * sequences,
    vocabularySize: group.vocabularySize,
    cpuLayers: group.cpuLayers,
    threads: group.threads,
    sequences,
    batchTokens: sequences * prompt,
    togetherTokens: TOGETHER_TOKENS,
  });
  const batch = new LlamaBatch(card.library, sequences * prompt);
  try {
    oneRound(llama, batch, { ...group, tokens: 3 });
    return Array.from({ length: rounds }, () => oneRound(llama, batch, group));
  } finally {
    batch.close();
    llama.close();
  }
}

function oneRound(llama: DeviceLlama, batch: LlamaBatch, group: LlamaGroup): GroupRound {
  const { prompt, seed, sequences, tokens, vocabularySize } = group;
  const random = createPrng(seed, "prompts");
  llama.reset();
  batch.clear();
  const ends: number[] = [];
  for (let sequence = 0; sequence < sequences; sequence++) {
    for (let position = 0; position < prompt; position++) {
      const isLast = position === prompt - 1;
      const index = batch.add(random.nextInt(vocabularySize), position, sequence, isLast);
      if (isLast) ends.push(index);
    }
  }
  const startMs = performance.now();
  llama.evaluateBatch(batch);
  let chosen = ends.map((index) => llama.likeliestAt(index));
  const middleMs = performance.now();
  for (let step = 1; step < tokens; step++) {
    batch.clear();
    const places = chosen.map((token, sequence) =>
      batch.add(token, prompt + step - 1, sequence, true),
    );
    llama.evaluateBatch(batch);
    chosen = places.map((index) => llama.likeliestAt(index));
  }
  const endMs = performance.now();
  return {
    prefillSeconds: (middleMs - startMs) / 1000,
    decodeSeconds: (endMs - middleMs) / 1000,
  };
}
