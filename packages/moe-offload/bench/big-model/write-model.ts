import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import {
  encodeGgufHeader,
  type GgufTensorPlan,
  type GgufValue,
  ggufPadded,
  openGguf,
  TENSOR_TYPE,
} from "@fmlab/ggml";
import { createPrng, type Prng } from "@fmlab/sim";
import { calibrationPath } from "../../src/calibration/calibration-file.ts";
import { encodeRows, RandomBlocks, tensorBytes } from "./blocks.ts";
import { type BigModelShape, type RoutingDials, restOf } from "./design.ts";
import { Language } from "./text.ts";

/** A model file to generate: equal recipes give equal bytes. */
export interface Recipe {
  readonly shape: BigModelShape;
  readonly dials: RoutingDials;
  readonly seed: number;
}

/** Changes when the same recipe gives other bytes. */
const VERSION = 2;
const IDENTITY_KEY = "fmlab.recipe";
/** Bytes that are made and written at once; whole Q4_0 blocks and whole pages. */
const PIECE_BYTES = 18 * 4096 * 64;
const PAGE_BYTES = 4096;

/** Where the file of a recipe lies in a folder. */
export function modelPath(folder: string, recipe: Recipe): string {
  return path.join(folder, `fmlab-big-moe-${identityOf(recipe)}.gguf`);
}

/**
 * Generates the model file of a recipe unless it is there. It appears under its name only when it
 * is complete.
 *
 * @returns its path, and whether it was written now
 */
export function obtainModel(folder: string, recipe: Recipe): { path: string; isNew: boolean } {
  const file = modelPath(folder, recipe);
  if (existsSync(file) && isOf(file, recipe)) return { path: file, isNew: false };
  mkdirSync(folder, { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  const fd = openSync(partial, "w");
  try {
    writeModel(fd, recipe);
    fsyncSync(fd);
    closeSync(fd);
    renameSync(partial, file);
  } catch (error) {
    closeSync(fd);
    rmSync(partial, { force: true });
    throw error;
  }
  return { path: file, isNew: true };
}

/** Removes the model file of a recipe and what was learned of it. */
export function removeModel(folder: string, recipe: Recipe): void {
  const file = modelPath(folder, recipe);
  rmSync(file, { force: true });
  rmSync(calibrationPath(file), { force: true });
}

function identityOf(recipe: Recipe): string {
  return createHash("sha256")
    .update(JSON.stringify([VERSION, recipe.shape, recipe.dials, recipe.seed]))
    .digest("hex")
    .slice(0, 12);
}

function isOf(file: string, recipe: Recipe): boolean {
  const gguf = openGguf(file);
  try {
    return gguf.metadata.get(IDENTITY_KEY)?.value === identityOf(recipe);
  } finally {
    gguf.close();
  }
}

function writeModel(fd: number, recipe: Recipe): void {
  const { dials, seed, shape } = recipe;
  const prng = createPrng(seed, "weights");
  const tensors = tensorsOf(shape);
  const put = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
  };
  put(encodeGgufHeader(metadataOf(recipe), tensors));
  const embedding = new Embedding(shape, dials, prng.fork("embedding"));
  const piece = new Uint8Array(PIECE_BYTES);
  for (const tensor of tensors) {
    const { name, shape: sizes, sizeBytes, type } = tensor;
    const values = exactValues(name, sizes, recipe, embedding, prng.fork(name));
    if (values) put(encodeRows(values, sizes[0] ?? 1, type));
    else {
      const blocks = new RandomBlocks(prng.fork(name));
      const deviation = gainOf(name, dials) / Math.sqrt(sizes[0] ?? 1);
      for (let left = sizeBytes; left > 0; left -= PIECE_BYTES) {
        const part = piece.subarray(0, Math.min(left, PIECE_BYTES));
        blocks.fill(part, deviation);
        put(part);
      }
    }
    put(new Uint8Array(ggufPadded(sizeBytes) - sizeBytes));
  }
  // Whole pages, so that the file can also be shown as a block device.
  ftruncateSync(fd, Math.ceil(fstatSync(fd).size / PAGE_BYTES) * PAGE_BYTES);
}

function metadataOf(recipe: Recipe): Map<string, GgufValue> {
  const { shape } = recipe;
  const counts = {
    vocab_size: shape.vocabulary,
    block_count: shape.layers,
    context_length: shape.context,
    embedding_length: shape.width,
    feed_forward_length: shape.sharedInner,
    "attention.head_count": shape.heads,
    "attention.head_count_kv": shape.heads,
    expert_count: shape.experts,
    expert_used_count: shape.used,
    expert_feed_forward_length: shape.inner,
    expert_shared_feed_forward_length: shape.sharedInner,
  };
  const text = (value: string): GgufValue => ({ type: "string", value });
  return new Map<string, GgufValue>([
    ["general.architecture", text("qwen2moe")],
    ["general.name", text("random weights in the shape of Qwen1.5-MoE")],
    [IDENTITY_KEY, text(identityOf(recipe))],
    // Tokens have no texts.
    ["tokenizer.ggml.model", text("no_vocab")],
    ["qwen2moe.rope.freq_base", { type: "float32", value: 1e6 }],
    ["qwen2moe.attention.layer_norm_rms_epsilon", { type: "float32", value: 1e-6 }],
    ...Object.entries(counts).map(([key, value]): [string, GgufValue] => [
      `qwen2moe.${key}`,
      { type: "uint32", value },
    ]),
  ]);
}

function tensorsOf(shape: BigModelShape): GgufTensorPlan[] {
  const { experts, inner, sharedInner, vocabulary, weightType: type, width } = shape;
  const tensors: GgufTensorPlan[] = [];
  const add = (name: string, of: number, ...sizes: number[]) => {
    tensors.push({ name, type: of, shape: sizes, sizeBytes: tensorBytes(of, sizes) });
  };
  add("token_embd.weight", TENSOR_TYPE.Q8_0, width, vocabulary);
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = (tail: string) => `blk.${layer}.${tail}`;
    add(at("attn_norm.weight"), TENSOR_TYPE.F32, width);
    for (const matrix of ["q", "k", "v"]) {
      add(at(`attn_${matrix}.weight`), type, width, width);
      add(at(`attn_${matrix}.bias`), TENSOR_TYPE.F32, width);
    }
    add(at("attn_output.weight"), type, width, width);
    add(at("ffn_norm.weight"), TENSOR_TYPE.F32, width);
    add(at("ffn_gate_inp.weight"), TENSOR_TYPE.F32, width, experts);
    add(at("ffn_gate_exps.weight"), type, width, inner, experts);
    add(at("ffn_up_exps.weight"), type, width, inner, experts);
    add(at("ffn_down_exps.weight"), type, inner, width, experts);
    add(at("ffn_gate_inp_shexp.weight"), TENSOR_TYPE.F32, width);
    add(at("ffn_gate_shexp.weight"), type, width, sharedInner);
    add(at("ffn_up_shexp.weight"), type, width, sharedInner);
    add(at("ffn_down_shexp.weight"), type, sharedInner, width);
  }
  add("output_norm.weight", TENSOR_TYPE.F32, width);
  add("output.weight", TENSOR_TYPE.Q8_0, width, vocabulary);
  return tensors;
}

function gainOf(name: string, { attentionGain, expertGain }: RoutingDials): number {
  if (name.includes("ffn_down")) return expertGain;
  return name.includes("attn_output") ? attentionGain : 1;
}

/** The values of tensors that decide routing or are small; undefined for random matrices. */
function exactValues(
  name: string,
  shape: readonly number[],
  { dials }: Recipe,
  embedding: Embedding,
  prng: Prng,
): Float32Array | undefined {
  const size = shape.reduce((product, length) => product * length, 1);
  if (name === "token_embd.weight") return embedding.rows();
  if (name === "output.weight") return embedding.outputRows();
  if (name.endsWith("norm.weight")) return new Float32Array(size).fill(1);
  const deviation = 1 / Math.sqrt(shape[0] ?? 1);
  if (name.includes("gate_inp")) {
    const gain = name.includes("shexp") ? 1 : dials.routerGain;
    return Float32Array.from({ length: size }, () => gain * deviation * prng.normal());
  }
  if (name.endsWith("bias")) return Float32Array.from({ length: size }, () => 0.1 * prng.normal());
  return undefined;
}

/** Embeddings with the structure that `RoutingDials` names, and the output that fits them. */
class Embedding {
  readonly #shape: BigModelShape;
  readonly #dials: RoutingDials;
  readonly #language: Language;
  readonly #prng: Prng;
  readonly #common: Float32Array;
  readonly #topics: readonly Float32Array[];

  constructor(shape: BigModelShape, dials: RoutingDials, prng: Prng) {
    this.#shape = shape;
    this.#dials = dials;
    this.#language = new Language(dials, shape.vocabulary);
    this.#prng = prng;
    const direction = (name: string) => {
      const stream = prng.fork(name);
      return Float32Array.from({ length: shape.width }, () => stream.normal());
    };
    this.#common = direction("common");
    this.#topics = Array.from({ length: dials.topics + 1 }, (_, i) => direction(`topic ${i}`));
  }

  rows(): Float32Array {
    const { common, topic } = this.#dials;
    const { vocabulary, width } = this.#shape;
    const stream = this.#prng.fork("rest");
    const rest = restOf(this.#dials);
    const rows = new Float32Array(vocabulary * width);
    for (let token = 0; token < vocabulary; token++) {
      const ofTopic = this.#topics[this.#language.groupOf(token)];
      for (let i = 0; i < width; i++) {
        const shared = common * (this.#common[i] ?? 0) + topic * (ofTopic?.[i] ?? 0);
        rows[token * width + i] = shared + rest * stream.normal();
      }
    }
    return rows;
  }

  /**
   * Logits that come near the logarithms of what follows in a text: a word's own share through the
   * common direction, and more for words of the same topic.
   */
  outputRows(): Float32Array {
    const { common, topic, topics } = this.#dials;
    const { vocabulary, width } = this.#shape;
    const rows = new Float32Array(vocabulary * width);
    const ofShare = 1 / (Math.max(common, 0.05) * width);
    const ofTopic = Math.log(topics) / (Math.max(topic, 0.05) * width);
    for (let token = 0; token < vocabulary; token++) {
      const group = this.#language.groupOf(token);
      const direction = group === 0 ? undefined : this.#topics[group];
      const share = ofShare * Math.log(vocabulary * this.#language.shareOf(token));
      for (let i = 0; i < width; i++) {
        const own = ofTopic * (direction?.[i] ?? 0);
        rows[token * width + i] = share * (this.#common[i] ?? 0) + own;
      }
    }
    return rows;
  }
}
