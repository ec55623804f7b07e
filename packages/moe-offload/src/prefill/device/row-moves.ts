import {
  Arena,
  ops,
  StagedTensor,
  StagingMemory,
  StreamEvent,
  TENSOR_TYPE,
  type Tensor,
} from "@fmlab/ggml";
import type { BatchMachine } from "../batch-machine.ts";
import { MovingTensor } from "./moving-tensor.ts";

/** Indices that graphs are built for; the smallest that holds them all is taken. Chosen. */
const SIZES = [64, 1024, 8192] as const;

/** Copies rows from one tensor of a card to another by indices of the host. */
export interface RowMove {
  /**
   * Begins to move `count` rows, which lie behind each other from `firstRow` on in one of the two.
   * @param indexOf  by row from 0: where it lies in the other
   */
  begin(firstRow: number, count: number, indexOf: (row: number) => number): void;
  /** Frees the graphs; the card must be done with them. */
  close(): void;
}

/** One built move of up to so many rows. */
interface BuiltMove {
  readonly size: number;
  readonly staged: StagedTensor;
  readonly memory: StagingMemory;
  readonly arena: Arena;
  readonly indices: MovingTensor;
  readonly rows: MovingTensor;
  /** The staged indices have been read. */
  readonly isRead: StreamEvent;
}

/** How a move's graph is built; `rows` is what moves over the rows that lie behind each other. */
type BuildMove = (arena: Arena, indices: Tensor, size: number) => { rows: Tensor; result: Tensor };

/** `rows[i] = table[index(i)]` for rows that lie behind each other in `rows`. */
export function gatherRows(machine: BatchMachine, table: Tensor, rows: Tensor): RowMove {
  return new IndexedMove(machine, rows, TENSOR_TYPE.I32, (arena, indices, size) => {
    const result = ops.getRows(arena, arena.alias(table), indices);
    arena.placeInto(result, ops.view(arena, rows, { shape: [rows.shape[0], size] }));
    return { rows: result, result };
  });
}

/** `table[index(i)] = rows[i]` for rows that lie behind each other in `rows`. */
export function scatterRows(machine: BatchMachine, rows: Tensor, table: Tensor): RowMove {
  return new IndexedMove(machine, rows, TENSOR_TYPE.I64, (arena, indices, size) => {
    const some = arena.alias(ops.view(arena, rows, { shape: [rows.shape[0], size] }));
    return { rows: some, result: ops.setRows(arena, arena.alias(table), some, indices) };
  });
}

class IndexedMove implements RowMove {
  readonly #machine: BatchMachine;
  readonly #rows: Tensor;
  readonly #type: number;
  readonly #build: BuildMove;
  readonly #built = new Map<number, BuiltMove>();

  constructor(machine: BatchMachine, rows: Tensor, type: number, build: BuildMove) {
    this.#machine = machine;
    this.#rows = rows;
    this.#type = type;
    this.#build = build;
  }

  begin(firstRow: number, count: number, indexOf: (row: number) => number): void {
    const { backend } = this.#machine;
    const rowBytes = this.#rows.strides[1];
    for (let done = 0; done < count; ) {
      const move = this.#moveFor(count - done);
      const some = Math.min(move.size, count - done);
      const { int32, int64 } = move.staged.values;
      const isWide = this.#type === TENSOR_TYPE.I64;
      // An upload under way reads what is written here.
      move.isRead.wait();
      for (let i = 0; i < some; i++) {
        const index = indexOf(done + i);
        if (isWide) int64[i] = BigInt(index);
        else int32[i] = index;
      }
      move.indices.set(some);
      move.staged.upload(backend, 0, some * (isWide ? 8 : 4));
      move.isRead.record(backend);
      move.rows.set(some, (firstRow + done) * rowBytes);
      backend.begin(move.arena.graph);
      done += some;
    }
  }

  close(): void {
    for (const { arena, isRead, memory } of this.#built.values()) {
      isRead.close();
      memory.close();
      arena.close();
    }
  }

  #moveFor(count: number): BuiltMove {
    const rowCount = this.#rows.shape[1];
    const wanted = SIZES.find((size) => size >= count) ?? Math.max(...SIZES);
    const size = Math.min(wanted, rowCount);
    let move = this.#built.get(size);
    if (!move) {
      move = this.#make(size);
      this.#built.set(size, move);
    }
    return move;
  }

  #make(size: number): BuiltMove {
    const { device } = this.#machine;
    const arena = new Arena(device.library, { tensorCountMax: 8, graphNodeCountMax: 8 });
    try {
      const indices = arena.tensor(this.#type, [size], "moved rows");
      const { rows, result } = this.#build(arena, indices, size);
      arena.graph.expand(result);
      arena.allocate(device);
      const memory = new StagingMemory(device, StagedTensor.sizeBytes(indices));
      const staged = new StagedTensor(indices, memory, 0);
      const moving = { indices: new MovingTensor(indices, 0, false), rows: rowsOf(rows) };
      return { size, staged, memory, arena, ...moving, isRead: new StreamEvent(device) };
    } catch (error) {
      arena.close();
      throw error;
    }
  }
}

const rowsOf = (rows: Tensor) => new MovingTensor(rows, 1, true);
