import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from "node:fs";
import { isDomainError } from "@fmlab/experiment";
import { encodeGguf, type GgufValue } from "@fmlab/ggml";
import { fieldMap } from "../../../ggml/test/gguf/field-map.ts";
import { type Mutant, mutate, seededRandom } from "../../../ggml/test/gguf/mutate.ts";
import type { Architecture } from "../../src/model/architectures.ts";
import { decodePrompt, decodeWhole } from "../engine/every-way.ts";
import { openMachine } from "../engine/graph-machine.ts";
import { type RandomModel, randomModel, randomModelFile } from "../engine/random-model.ts";

const SMALL = {
  seed: 1,
  layers: 2,
  width: 32,
  heads: 2,
  kvHeads: 1,
  experts: 3,
  used: 2,
  inner: 32,
  context: 8,
  ropeBase: 1e4,
  epsilon: 1e-6,
} as const;

/** The smallest models that have everything their architectures have. */
const MODELS: Record<Architecture, RandomModel> = {
  qwen2moe: { ...SMALL, architecture: "qwen2moe", sharedInner: 32 },
  qwen3moe: { ...SMALL, architecture: "qwen3moe", headLength: 32 },
  olmoe: { ...SMALL, architecture: "olmoe", kvHeads: 2 },
  llama: { ...SMALL, architecture: "llama", ropeFactors: true, tied: true },
  deepseek: {
    ...SMALL,
    architecture: "deepseek",
    denseLead: 1,
    denseInner: 64,
    sharedCount: 1,
    fusedGateUp: true,
  },
  granitemoe: { ...SMALL, architecture: "granitemoe", sharedInner: 32, fusedQkv: true },
};

/** Values that a key of a damaged or hostile file may have. */
const ODD_VALUES: readonly GgufValue[] = [
  ...[0, 1, 2, 3, 4, 6, 8, 16, 31, 33, 64, 255, 1024, 65_537, 2 ** 31 - 1, 2 ** 32 - 1].map(
    (value): GgufValue => ({ type: "uint32", value }),
  ),
  ...[0, -1, 1e-30, 0.3, 3, 1e4, 1e30, Number.NaN, Number.POSITIVE_INFINITY].map(
    (value): GgufValue => ({ type: "float32", value }),
  ),
  ...["", "none", "linear", "yarn", "longrope"].map(
    (value): GgufValue => ({ type: "string", value }),
  ),
  { type: "bool", value: false },
  { type: "int64", value: -1n },
  { type: "uint64", value: 2n ** 63n },
  { type: "array", elementType: "uint32", value: Uint32Array.of(2, 2) },
  { type: "array", elementType: "uint32", value: new Uint32Array(0) },
];

/** Keys that models may have beside those that the small ones have. */
const OTHER_KEYS = [
  "attention.key_length",
  "attention.value_length",
  "rope.dimension_count",
  "rope.scaling.type",
  "rope.scaling.factor",
  "rope.scaling.finetuned",
  "rope.scaling.original_context_length",
  "rope.scaling.attn_factor",
  "rope.scale_linear",
  "expert_gating_func",
  "expert_group_count",
  "expert_shared_feed_forward_length",
];

/**
 * Gives odd values to keys of a small model, or another architecture's name to it, and opens and
 * computes each.
 * @returns as `fuzzArchitecture`
 */
export function fuzzKeys(
  architecture: Architecture,
  mutantCount: number,
  seed: number,
  path: string,
): Map<string, number> {
  const random = seededRandom(seed);
  const one = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  const input = randomModel(MODELS[architecture]);
  const keys = [...input.metadata].map(([key]) => key);
  const own = keys.filter((key) => key.startsWith(`${architecture}.`));
  const all = [...own, ...OTHER_KEYS.map((key) => `${architecture}.${key}`)];
  const outcomes = new Map<string, number>();
  for (let i = 0; i < mutantCount; i++) {
    const changes = new Map<string, GgufValue>();
    for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
      changes.set(one(all), one(ODD_VALUES));
    }
    const metadata = new Map([...input.metadata, ...changes]);
    if (random() < 0.2) {
      const other = one(Object.keys(MODELS));
      for (const [key, value] of [...metadata]) {
        metadata.set(key.replace(`${architecture}.`, `${other}.`), value);
      }
      metadata.set("general.architecture", { type: "string", value: other });
    }
    writeFileSync(path, encodeGguf({ ...input, metadata }));
    const outcome = outcomeOf(
      path,
      JSON.stringify([...changes], (_, v) => (typeof v === "bigint" ? String(v) : v)),
    );
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return outcomes;
}

/**
 * Damages the header of a small model in many ways and opens and computes each.
 * @returns how often each outcome was seen: `computed`, or the code of the error
 * @throws Error for anything that is not a domain error
 */
export function fuzzArchitecture(
  architecture: Architecture,
  mutantCount: number,
  seed: number,
  path: string,
): Map<string, number> {
  const whole = Buffer.from(randomModelFile(MODELS[architecture]));
  const { fields, headerEnd } = fieldMap(whole);
  const source = { header: whole.subarray(0, headerEnd), fields, fileBytes: whole.length };
  const random = seededRandom(seed);
  const outcomes = new Map<string, number>();
  for (let i = 0; i < mutantCount; i++) {
    const mutant = mutate(source, random);
    put(path, whole, mutant);
    const outcome = outcomeOf(path, mutant.how);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return outcomes;
}

function put(path: string, whole: Buffer, { header, fileBytes }: Mutant): void {
  const fd = openSync(path, "w");
  writeSync(fd, whole);
  writeSync(fd, header, 0, header.length, 0);
  ftruncateSync(fd, fileBytes);
  closeSync(fd);
}

function outcomeOf(path: string, how: string): string {
  try {
    const { model, close } = openMachine(path);
    close();
    const token = model.vocabularySize - 1;
    const tokens = Array.from({ length: Math.min(3, model.contextLength) }, () => token);
    decodeWhole(path, tokens);
    decodePrompt(path, tokens);
    return "computed";
  } catch (error) {
    if (isDomainError(error)) return error.failure.code;
    throw new Error(`not a domain error for: ${how}`, { cause: error });
  }
}
