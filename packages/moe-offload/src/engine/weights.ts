import {
  Arena,
  type Device,
  type GgufTensor,
  getTensor,
  hasFiniteBlocks,
  ops,
  rowSizeBytes,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import { badModel } from "../model/description.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { ModelFile } from "./interfaces.ts";

/**
 * Matrices that are multiplied with the same input, stacked into one where their types allow it.
 * One product of the stack gives, for a single token, the same bits as the products one by one; for
 * several tokens it does not, because ggml tiles by the number of rows. So the graphs of one token
 * use `stacked` and those of many use `parts`, which are views of it.
 */
export interface MatrixGroup {
  readonly stacked: Tensor | undefined;
  readonly parts: readonly Tensor[];
}

/** Everything of one layer but its routed experts. */
export interface LayerWeights {
  readonly attentionNorm: Tensor; // [width]
  readonly qkv: MatrixGroup; // [width, heads * headLength], [width, keyLength] twice
  readonly qkvBias: MatrixGroup; // as rows of one, [length]
  readonly attentionOutput: Tensor; // [width, width]
  readonly feedForwardNorm: Tensor; // [width]
  readonly router: MatrixGroup; // [width, experts] and the shared expert's gate [width, 1]
  readonly sharedGateUp: MatrixGroup; // [width, shared] twice
  readonly sharedDown: Tensor; // [shared, width]
}

/** All weights but the routed experts, in memory. */
export interface ModelWeights {
  readonly arena: Arena;
  readonly embedding: Tensor; // [width, vocabulary]
  readonly outputNorm: Tensor; // [width]
  readonly output: Tensor; // [width, vocabulary]
  readonly layers: readonly LayerWeights[];
}

/**
 * Loads every dense weight of the model.
 * @throws MoeError `BAD_MODEL` for a wrong shape or weights that are not finite
 * @throws GgufError `MISSING_TENSOR` | `TRUNCATED` | `UNREADABLE`
 */
export function loadWeights(file: ModelFile, model: HyperParameters, device: Device): ModelWeights {
  const loader = new WeightLoader(file, model, device);
  try {
    const weights = loader.declare();
    loader.load();
    return weights;
  } catch (error) {
    loader.arena.close();
    throw error;
  }
}

// Per layer: 16 tensors with their stacks and parts; chosen with room to spare.
const TENSORS_PER_LAYER = 32;

class WeightLoader {
  readonly arena: Arena;
  readonly #file: ModelFile;
  readonly #model: HyperParameters;
  readonly #device: Device;
  readonly #pending: { target: Tensor; sources: readonly GgufTensor[] }[] = [];

  constructor(file: ModelFile, model: HyperParameters, device: Device) {
    this.#file = file;
    this.#model = model;
    this.#device = device;
    const tensorCountMax = model.layerCount * TENSORS_PER_LAYER + 8;
    this.arena = new Arena(device.library, { tensorCountMax });
  }

  declare(): ModelWeights {
    const { embeddingLength, vocabularySize, layerCount } = this.#model;
    return {
      arena: this.arena,
      embedding: this.#single("token_embd.weight", [embeddingLength, vocabularySize]),
      outputNorm: this.#vector("output_norm.weight", embeddingLength),
      output: this.#single("output.weight", [embeddingLength, vocabularySize]),
      layers: Array.from({ length: layerCount }, (_, layer) => this.#layer(`blk.${layer}`)),
    };
  }

  load(): void {
    this.arena.allocate(this.#device);
    for (const { target, sources } of this.#pending) {
      let offset = 0;
      const bytes = target.bytes();
      for (const source of sources) {
        const part = bytes.subarray(offset, offset + source.sizeBytes);
        this.#file.read(source.offset, part);
        if (!hasFiniteBlocks(this.arena.library, source.type, part)) {
          throw badModel(this.#file, `${source.name} holds numbers that are not finite`);
        }
        offset += source.sizeBytes;
      }
    }
  }

  #layer(prefix: string): LayerWeights {
    const { embeddingLength: width, keyLength, expertCount } = this.#model;
    const shared = this.#model.sharedFeedForwardLength;
    const lengths = { q: width, k: keyLength, v: keyLength };
    const names = ["q", "k", "v"] as const;
    return {
      attentionNorm: this.#vector(`${prefix}.attn_norm.weight`, width),
      qkv: this.#group(
        width,
        names.map((name) => ({ name: `${prefix}.attn_${name}.weight`, rows: lengths[name] })),
      ),
      qkvBias: this.#biases(
        names.map((name) => ({ name: `${prefix}.attn_${name}.bias`, length: lengths[name] })),
      ),
      attentionOutput: this.#single(`${prefix}.attn_output.weight`, [width, width]),
      feedForwardNorm: this.#vector(`${prefix}.ffn_norm.weight`, width),
      router: this.#group(width, [
        { name: `${prefix}.ffn_gate_inp.weight`, rows: expertCount },
        { name: `${prefix}.ffn_gate_inp_shexp.weight`, rows: 1 },
      ]),
      sharedGateUp: this.#group(width, [
        { name: `${prefix}.ffn_gate_shexp.weight`, rows: shared },
        { name: `${prefix}.ffn_up_shexp.weight`, rows: shared },
      ]),
      sharedDown: this.#single(`${prefix}.ffn_down_shexp.weight`, [shared, width]),
    };
  }

  #single(name: string, shape: readonly number[]): Tensor {
    const source = this.#source(name, shape);
    const target = this.arena.tensor(source.type, shape, name);
    this.#pending.push({ target, sources: [source] });
    return target;
  }

  // Norms and biases are added and multiplied as F32.
  #vector(name: string, length: number): Tensor {
    this.#sourceF32(name, length);
    return this.#single(name, [length]);
  }

  #group(width: number, parts: readonly { name: string; rows: number }[]): MatrixGroup {
    const sources = parts.map(({ name, rows }) => this.#source(name, [width, rows]));
    const type = sources[0]?.type ?? TENSOR_TYPE.F32;
    if (sources.some((source) => source.type !== type)) {
      const singles = parts.map(({ name, rows }) => this.#single(name, [width, rows]));
      return { stacked: undefined, parts: singles };
    }
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const stacked = this.arena.tensor(type, [width, rows], parts.map((p) => p.name).join("|"));
    this.#pending.push({ target: stacked, sources });
    let row = 0;
    const views = parts.map((part) => {
      const offsetBytes = row * rowSizeBytes(type, width);
      row += part.rows;
      return ops.view(this.arena, stacked, { shape: [width, part.rows], offsetBytes });
    });
    return { stacked, parts: views };
  }

  #biases(parts: readonly { name: string; length: number }[]): MatrixGroup {
    const sources = parts.map(({ name, length }) => this.#sourceF32(name, length));
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    const stacked = this.arena.tensor(TENSOR_TYPE.F32, [total], "qkv.bias");
    this.#pending.push({ target: stacked, sources });
    let first = 0;
    const views = parts.map((part) => {
      const offsetBytes = first * 4;
      first += part.length;
      return ops.view(this.arena, stacked, { shape: [part.length], offsetBytes });
    });
    return { stacked, parts: views };
  }

  #sourceF32(name: string, length: number): GgufTensor {
    const source = this.#source(name, [length]);
    if (source.type !== TENSOR_TYPE.F32) {
      throw badModel(this.#file, `${name} is ${source.typeName}; expected f32`);
    }
    return source;
  }

  #source(name: string, shape: readonly number[]): GgufTensor {
    const source = getTensor(this.#file, name);
    // Trailing dimensions of 1 may be left out in the file.
    const trim = (dimensions: readonly number[]) => dimensions.join().replace(/(,1)+$/, "");
    if (trim(source.shape) !== trim(shape)) {
      throw badModel(this.#file, `${name} has shape [${source.shape}], expected [${shape}]`);
    }
    return source;
  }
}
