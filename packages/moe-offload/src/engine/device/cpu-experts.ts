import {
  Arena,
  type Backend,
  type BackendBuffer,
  type GgmlLibrary,
  ops,
  type Plan,
  PointedTensor,
  TENSOR_TYPE,
  type Tensor,
  ThreadPool,
} from "@fmlab/ggml";
import type { ExpertClass } from "../../model/expert-layout.ts";
import { Resources } from "../../resources.ts";

/** Experts of one kind that are computed as one graph. */
interface ExpertsGraph {
  readonly plan: Plan;
  /** By expert: its matrices, with where each begins in the expert's bytes. */
  readonly experts: readonly { readonly matrix: PointedTensor; readonly firstByte: bigint }[][];
}

/** What experts are computed of. */
export interface CpuExpertsInput {
  /** Number of the experts' class. */
  readonly classIndex: number;
  readonly count: number;
  /** Where their bytes lie: gate, up and down one after the other. */
  readonly addresses: BigInt64Array;
  /** Input of the layer's experts, `[width]`. */
  readonly input: Float32Array;
}

/**
 * Computes experts on the CPU from where they lie in host memory, without copying a weight. The
 * calling thread computes together with the threads of a pool, and returns when all is done: a
 * thread that waits for a card has nothing better to do, and nobody has to be woken for it.
 */
export class CpuExperts {
  /** Outputs of the experts computed last, one row after the other; see `rowStride`. */
  readonly rows: Float32Array;
  /** Numbers from one row to the next. */
  readonly rowStride: number;
  readonly #resources = new Resources();
  readonly #library: GgmlLibrary;
  readonly #backend: Backend;
  readonly #home: BackendBuffer;
  readonly #input: Tensor;
  readonly #inputValues: Float32Array;
  readonly #rowsTensor: Tensor;
  /** By class, then by number of experts less one. */
  readonly #graphs: readonly (readonly ExpertsGraph[])[];

  /**
   * @param classes  kinds of experts
   * @param usedMax  experts that are computed at once, at most
   * @throws GgmlError
   */
  constructor(
    library: GgmlLibrary,
    classes: readonly ExpertClass[],
    usedMax: number,
    threads: number,
  ) {
    const resources = this.#resources;
    const device = library.cpu;
    const width = classes[0]?.parts[0]?.columns ?? 0;
    const alignment = device.alignmentBytes / 4;
    this.#library = library;
    this.rowStride = Math.ceil(width / alignment) * alignment;
    try {
      this.#backend = resources.add(device.open());
      if (threads > 1) {
        this.#backend.useThreadPool(resources.add(new ThreadPool(library, { threads })));
      }
      // Leaves lie here until they are pointed to an expert; none of it is ever touched.
      const largest = Math.max(...classes.map(({ expertBytes }) => expertBytes));
      this.#home = resources.add(device.allocate(largest));
      const ends = resources.add(new Arena(library, { tensorCountMax: 2 }));
      this.#input = ends.tensor(TENSOR_TYPE.F32, [width, 1], "expert input");
      this.#rowsTensor = ends.tensor(TENSOR_TYPE.F32, [this.rowStride * usedMax], "expert rows");
      ends.allocate(device);
      this.#inputValues = this.#input.float32();
      this.rows = this.#rowsTensor.float32();
      this.#graphs = classes.map((one) =>
        Array.from({ length: usedMax }, (_, i) => this.#build(one, i + 1)),
      );
    } catch (error) {
      resources.close();
      throw error;
    }
  }

  /** Computes up to `usedMax` experts of a layer; `rows` holds their outputs then. */
  compute({ addresses, classIndex, count, input }: CpuExpertsInput): void {
    const graph = this.#graphs[classIndex]?.[count - 1];
    if (!graph) throw new RangeError(`${count} experts of class ${classIndex} are too many`);
    this.#inputValues.set(input);
    graph.experts.forEach((matrices, i) => {
      const address = addresses[i] ?? 0n;
      for (const { firstByte, matrix } of matrices) matrix.pointTo(address + firstByte);
    });
    graph.plan.compute();
  }

  /** Frees everything native. */
  close(): void {
    this.#resources.close();
  }

  #build({ parts }: ExpertClass, count: number): ExpertsGraph {
    const [gate, up, down] = parts;
    if (!gate || !up || !down) throw new Error("an expert has three parts");
    const size = 8 * count + 4;
    const options = { tensorCountMax: size, graphNodeCountMax: size };
    const arena = this.#resources.add(new Arena(this.#library, options));
    const x = arena.alias(this.#input);
    const at = (type: number, shape: readonly number[], firstByte: number) => {
      const matrix = new PointedTensor(arena, this.#home, type, shape);
      return { matrix, firstByte: BigInt(firstByte) };
    };
    const firstOfDown = gate.sizeBytes + up.sizeBytes;
    const experts = Array.from({ length: count }, (_, i) => {
      // Gate and up lie one after the other: where their types agree they are one matrix.
      const isStacked = gate.type === up.type;
      const tops = isStacked
        ? [at(gate.type, [gate.columns, 2 * gate.rows], 0)]
        : [
            at(gate.type, [gate.columns, gate.rows], 0),
            at(up.type, [up.columns, up.rows], gate.sizeBytes),
          ];
      const products = tops.map(({ matrix }) => ops.mulMat(arena, matrix.tensor, x));
      const [first, second] = products;
      if (!first) throw new Error("an expert has a gate");
      const hidden = second ? ops.swigluSplit(arena, first, second) : ops.swiglu(arena, first);
      const last = at(down.type, [down.columns, down.rows], firstOfDown);
      const row = ops.mulMat(arena, last.matrix.tensor, hidden);
      arena.placeWithin(row, this.#rowsTensor, 4 * i * this.rowStride);
      arena.graph.expand(row);
      return [...tops, last];
    });
    arena.allocate(this.#library.cpu);
    return { plan: this.#resources.add(this.#backend.plan(arena.graph)), experts };
  }
}
