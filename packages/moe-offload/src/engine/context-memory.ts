import { Arena, type Device, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import type { GraphContext } from "./graph-context.ts";
import type { HyperParameters } from "./hyper-parameters.ts";

/**
 * What lasts from token to token and is shared by every graph: the KV cache and the inputs.
 */
export class ContextMemory implements GraphContext {
  /** By layer `[2 * keyLength, contextLength]`, F16: the keys of a token, then its values. */
  readonly keyValues: readonly Tensor[];
  readonly tokens: Tensor; // [batchTokens] I32
  readonly positions: Tensor; // [batchTokens] I32
  readonly rows: Tensor; // [batchTokens] I64: where in the cache each token goes
  /** Slots of the experts of the layer that is computed, `[expertUsedCount, 1]` I32. */
  readonly slots: Tensor;
  /** What goes from layer to layer of one token, `[width, 1]` F32: each layer writes it anew. */
  readonly hidden: Tensor;
  /** Outputs of a token's chosen experts in routing order, `[width, expertUsedCount, 1]` F32. */
  readonly expertOutputs: Tensor;
  /** Rows of `expertOutputs` that the next experts' outputs go to, `[expertUsedCount]` I64. */
  readonly expertRows: Tensor;
  readonly tokensView: Int32Array;
  readonly positionsView: Int32Array;
  readonly rowsView: BigInt64Array;
  readonly slotsView: Int32Array;
  readonly expertRowsView: BigInt64Array;
  readonly #arena: Arena;

  constructor(
    model: HyperParameters,
    device: Device,
    readonly contextLength: number,
    readonly batchTokens: number,
  ) {
    const arena = new Arena(device.library, { tensorCountMax: model.layerCount + 7 });
    this.#arena = arena;
    this.keyValues = Array.from({ length: model.layerCount }, (_, layer) =>
      arena.tensor(TENSOR_TYPE.F16, [2 * model.keyLength, contextLength], `kv.${layer}`),
    );
    this.tokens = arena.tensor(TENSOR_TYPE.I32, [batchTokens], "tokens");
    this.positions = arena.tensor(TENSOR_TYPE.I32, [batchTokens], "positions");
    this.rows = arena.tensor(TENSOR_TYPE.I64, [batchTokens], "rows");
    this.slots = arena.tensor(TENSOR_TYPE.I32, [model.expertUsedCount, 1], "slots");
    const { embeddingLength: width, expertUsedCount: used } = model;
    this.hidden = arena.tensor(TENSOR_TYPE.F32, [width, 1], "hidden");
    this.expertOutputs = arena.tensor(TENSOR_TYPE.F32, [width, used, 1], "expert outputs");
    this.expertRows = arena.tensor(TENSOR_TYPE.I64, [used], "expert rows");
    try {
      arena.allocate(device);
    } catch (error) {
      arena.close();
      throw error;
    }
    for (const layer of this.keyValues) layer.bytes().fill(0);
    this.tokensView = this.tokens.int32();
    this.positionsView = this.positions.int32();
    this.rowsView = this.rows.int64();
    this.slotsView = this.slots.int32();
    this.expertRowsView = this.expertRows.int64();
    this.expertRowsView.fill(0n);
    this.tokensView.fill(0);
    this.positionsView.fill(0);
    this.rowsView.fill(0n);
    this.slotsView.fill(0);
  }

  get input(): { tokens: Tensor } {
    return { tokens: this.tokens };
  }

  /** Enters `tokens` as the inputs of a batch that begins at `position`. */
  enter(tokens: ArrayLike<number>, from: number, count: number, position: number): void {
    for (let i = 0; i < count; i++) {
      this.tokensView[i] = tokens[from + i] ?? 0;
      this.positionsView[i] = position + i;
      this.rowsView[i] = BigInt(position + i);
    }
  }

  /** Frees the memory. */
  close(): void {
    this.#arena.close();
  }
}
