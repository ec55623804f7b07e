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
import { badModel, unsupportedFeature } from "../model/description.ts";
import { requireWeightType } from "../model/weight-types.ts";
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

/** A matrix or vector of a group: its name in the file and its rows or elements. */
export interface GroupPart {
  readonly name: string;
  readonly rows: number;
}

/**
 * Brings tensors of a model file into memory: first all are declared, then `load` takes the memory
 * and reads them.
 */
export class WeightLoader {
  readonly arena: Arena;
  /** Of tensors that stay in memory of the host; the same arena where that is the device. */
  readonly hostArena: Arena;
  readonly #file: ModelFile;
  readonly #device: Device;
  readonly #pending: { target: Tensor; sources: readonly GgufTensor[] }[] = [];
  readonly #used = new Set<string>();

  constructor(file: ModelFile, device: Device, tensorCountMax: number) {
    this.#file = file;
    this.#device = device;
    this.arena = new Arena(device.library, { tensorCountMax });
    this.hostArena = device.isHost
      ? this.arena
      : new Arena(device.library, { tensorCountMax: HOST_TENSORS });
  }

  /** True when the file has a tensor of that name. */
  has(name: string): boolean {
    return this.#file.tensors.has(name);
  }

  /**
   * A matrix of any type to multiply with.
   * @param same  a tensor with the same contents; it serves where it lies on the device
   */
  matrix(name: string, shape: readonly number[], same?: Tensor): Tensor {
    if (same?.name === name && same.arena === this.arena) return same;
    return this.#declare(name, [this.#source(name, shape)], shape);
  }

  /** A matrix whose rows are looked up on the host. */
  table(name: string, shape: readonly number[]): Tensor {
    return this.#declare(name, [this.#source(name, shape)], shape, this.hostArena);
  }

  /** A vector that is added or multiplied element by element, as F32. */
  vector(name: string, length: number): Tensor {
    return this.#declare(name, [this.#sourceF32(name, length)], [length]);
  }

  /** Matrices of `width` columns; `fused` is one tensor that holds all of them, if there. */
  matrices(width: number, parts: readonly GroupPart[], fused?: string): MatrixGroup {
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const sources =
      fused !== undefined && this.has(fused)
        ? [this.#source(fused, [width, rows])]
        : parts.map((part) => this.#source(part.name, [width, part.rows]));
    const type = sources[0]?.type ?? TENSOR_TYPE.F32;
    if (sources.some((source) => source.type !== type)) {
      const singles = parts.map((part) => this.matrix(part.name, [width, part.rows]));
      return { stacked: undefined, parts: singles };
    }
    const name = parts.map((part) => part.name).join("|");
    const stacked = this.#declare(name, sources, [width, rows]);
    const rowBytes = rowSizeBytes(type, width);
    return { stacked, parts: this.#views(stacked, parts, rowBytes, (count) => [width, count]) };
  }

  /** Vectors, F32, one behind the other; `fused` as in `matrices`. */
  vectors(parts: readonly GroupPart[], fused?: string): MatrixGroup {
    const length = parts.reduce((sum, part) => sum + part.rows, 0);
    const sources =
      fused !== undefined && this.has(fused)
        ? [this.#sourceF32(fused, length)]
        : parts.map((part) => this.#sourceF32(part.name, part.rows));
    const stacked = this.#declare(parts[0]?.name ?? "", sources, [length]);
    return { stacked, parts: this.#views(stacked, parts, 4, (count) => [count]) };
  }

  /** Takes the memory and reads everything that was declared. */
  load(): void {
    this.arena.allocate(this.#device);
    if (this.hostArena !== this.arena) this.hostArena.allocate(this.#device.library.cpu);
    for (const { target, sources } of this.#pending) {
      let offset = 0;
      const isHere = target.arena === this.hostArena;
      const bytes = isHere ? target.bytes() : new Uint8Array(target.sizeBytes);
      for (const source of sources) {
        const part = bytes.subarray(offset, offset + source.sizeBytes);
        this.#file.read(source.offset, part, source.part);
        if (!hasFiniteBlocks(this.arena.library, source.type, part)) {
          throw badModel(this.#file, `${source.name} holds numbers that are not finite`);
        }
        offset += source.sizeBytes;
      }
      if (!isHere) target.write(bytes);
    }
  }

  /** Frees the memory. */
  close(): void {
    this.arena.close();
    this.hostArena.close();
  }

  /**
   * Checks that the file has no tensor beside those declared and the experts: it would ask for a
   * computation that is not done.
   */
  requireNoOthers(): void {
    const others = [...this.#file.tensors.keys()].filter(
      (name) =>
        !this.#used.has(name) && !/^blk\.\d+\.ffn_(gate|up|down|gate_up)_exps\.weight$/.test(name),
    );
    if (others.length === 0) return;
    const more = others.length > 3 ? ` and ${others.length - 3} more` : "";
    const found = `tensors without a place in its architecture: ${others.slice(0, 3).join(", ")}`;
    throw unsupportedFeature(this.#file, found + more, "models without them");
  }

  #declare(
    name: string,
    sources: readonly GgufTensor[],
    shape: readonly number[],
    arena = this.arena,
  ): Tensor {
    const target = arena.tensor(sources[0]?.type ?? TENSOR_TYPE.F32, shape, name);
    this.#pending.push({ target, sources });
    return target;
  }

  #views(
    stacked: Tensor,
    parts: readonly GroupPart[],
    rowBytes: number,
    shapeOf: (rows: number) => number[],
  ): Tensor[] {
    let first = 0;
    return parts.map(({ rows }) => {
      const offsetBytes = first * rowBytes;
      first += rows;
      return ops.view(this.arena, stacked, { shape: shapeOf(rows), offsetBytes });
    });
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
    requireWeightType(this.#file, source);
    this.#used.add(name);
    return source;
  }
}

/** The table of embeddings, and one to spare. */
const HOST_TENSORS = 2;
