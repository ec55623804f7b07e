import { type GgufFile, getInteger, getString, openGguf } from "@fmlab/ggml";

/** What a model file says of itself, whether or not this version can compute it. */
export interface ModelHeader {
  architecture: string;
  name: string;
  fileBytes: number;
  fileCount: number;
  tensorCount: number;
  layerCount: number;
  expertCount: number;
  expertUsedCount: number;
  contextLength: number;
  /** Bytes of the routed experts, and of all other tensors. */
  expertBytes: number;
  denseBytes: number;
  /** Types of the routed experts' matrices, and of all others, each with its bytes. */
  expertTypes: Record<string, number>;
  denseTypes: Record<string, number>;
}

/** Routed experts of a layer lie in tensors of such names. */
const EXPERT_TENSOR = /_exps(\.|$)/;

/**
 * Reads the header of a GGUF file of any architecture.
 *
 * @throws GgufError for a file that is no sound GGUF file
 */
export function readModelHeader(path: string): ModelHeader {
  const file = openGguf(path);
  try {
    const architecture = getString(file, "general.architecture", "unknown");
    const count = (key: string) => integerOf(file, `${architecture}.${key}`);
    const expertTypes: Record<string, number> = {};
    const denseTypes: Record<string, number> = {};
    for (const { name, sizeBytes, typeName } of file.tensors.values()) {
      const types = EXPERT_TENSOR.test(name) ? expertTypes : denseTypes;
      types[typeName] = (types[typeName] ?? 0) + sizeBytes;
    }
    return {
      architecture,
      name: getString(file, "general.name", "unnamed"),
      fileBytes: file.sizeBytes,
      fileCount: file.partPaths.length,
      tensorCount: file.tensors.size,
      layerCount: count("block_count"),
      expertCount: count("expert_count"),
      expertUsedCount: count("expert_used_count"),
      contextLength: count("context_length"),
      expertBytes: total(expertTypes),
      denseBytes: total(denseTypes),
      expertTypes,
      denseTypes,
    };
  } finally {
    file.close();
  }
}

/** 0 where the file has no such number, or one for each layer. */
function integerOf(file: GgufFile, key: string): number {
  const isNumber = typeof file.metadata.get(key)?.value === "number";
  return isNumber ? getInteger(file, key, { fallback: 0 }) : 0;
}

function total(types: Record<string, number>): number {
  return Object.values(types).reduce((sum, bytes) => sum + bytes, 0);
}
