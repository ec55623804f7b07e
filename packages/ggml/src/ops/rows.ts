import type { Arena } from "../arena.ts";
import { requireInteger } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { TENSOR_TYPE } from "../tensor-types.ts";
import {
  begin,
  finish,
  requireContiguousRows,
  requireShapes,
  requireType,
  WEIGHT_TYPES,
  WRITABLE_TYPES,
} from "./check.ts";
import { view } from "./layout.ts";

/**
 * Rows of a table by their numbers, as F32 (I32 stays I32).
 *
 * @param table  `[columns, rows, n2, n3]`, any float or quantised type, or I32
 * @param ids    `[count, n2, n3]`, I32, each less than `rows`
 * @returns `[columns, count, n2, n3]`
 */
export function getRows(arena: Arena, table: Tensor, ids: Tensor): Tensor {
  begin("getRows", arena, [table, ids]);
  requireType("getRows", table, ...WEIGHT_TYPES, "I32");
  requireContiguousRows("getRows", table);
  requireType("getRows", ids, "I32");
  requireShapes(
    "getRows",
    table.shape[2] === ids.shape[1] && table.shape[3] === ids.shape[2] && ids.shape[3] === 1,
    table,
    ids,
    "ids [count, n2, n3] for a table [columns, rows, n2, n3]",
  );
  const pointer = arena.library.native.ggml_get_rows(arena.pointer, table.pointer, ids.pointer);
  return finish(arena, pointer, {
    operation: "get_rows",
    type: table.type === TENSOR_TYPE.I32 ? TENSOR_TYPE.I32 : TENSOR_TYPE.F32,
    shape: [table.shape[0], ids.shape[0], ids.shape[1], ids.shape[2]],
    sources: [table, ids],
    indexLimit: { ids, limit: table.shape[1] },
  });
}

/**
 * Writes rows into a table at given places, converting from F32; the result is a view of the table.
 *
 * @param table  `[columns, rows, n2, n3]`, F32, F16, BF16 or a type rows can be quantised to
 * @param rows   `[columns, count, n2, n3]`, F32
 * @param ids    `[count, divides n2, divides n3]`, I64 or I32, each less than the table's rows
 */
export function setRows(arena: Arena, table: Tensor, rows: Tensor, ids: Tensor): Tensor {
  begin("setRows", arena, [table, rows, ids]);
  requireType("setRows", table, ...WRITABLE_TYPES);
  requireType("setRows", rows, "F32");
  requireType("setRows", ids, "I64", "I32");
  requireContiguousRows("setRows", table);
  requireContiguousRows("setRows", rows);
  requireShapes(
    "setRows",
    table.shape[0] === rows.shape[0] &&
      table.shape[2] === rows.shape[2] &&
      table.shape[3] === rows.shape[3],
    table,
    rows,
    "the same columns and the same dimensions 2 and 3",
  );
  requireShapes(
    "setRows",
    rows.shape[1] === ids.shape[0] &&
      rows.shape[2] % ids.shape[1] === 0 &&
      rows.shape[3] % ids.shape[2] === 0 &&
      ids.shape[3] === 1,
    rows,
    ids,
    "one index for each row",
  );
  table.root.isWrittenByOperation = true;
  const { native } = arena.library;
  const pointer = native.ggml_set_rows(arena.pointer, table.pointer, rows.pointer, ids.pointer);
  return finish(arena, pointer, {
    operation: "set_rows",
    type: table.type,
    shape: table.shape,
    strides: table.strides,
    // The order of ggml's own sources: what is written comes first.
    sources: [rows, ids, table],
    viewOf: { tensor: table, offsetBytes: 0 },
    indexLimit: { ids, limit: table.shape[1] },
  });
}

/** The column numbers of each row by falling value, I32 of the same shape as `x` (F32). */
export function argsortDescending(arena: Arena, x: Tensor): Tensor {
  begin("argsortDescending", arena, [x]);
  requireType("argsortDescending", x, "F32");
  requireContiguousRows("argsortDescending", x);
  requireInteger("argsortDescending", "columns", x.shape[0], 1, 2 ** 31 - 1);
  const pointer = arena.library.native.ggml_argsort(arena.pointer, x.pointer, DESCENDING);
  return finish(arena, pointer, {
    operation: "argsort",
    type: TENSOR_TYPE.I32,
    shape: x.shape,
    sources: [x],
  });
}

/** `enum ggml_sort_order`. */
const DESCENDING = 1;

/** The numbers of the `k` largest columns of each row, largest first: a view of a full argsort. */
export function argsortTopK(arena: Arena, x: Tensor, k: number): Tensor {
  arena.reserve("argsortTopK", 2);
  requireInteger("argsortTopK", "k", k, 1, x.shape[0]);
  const sorted = argsortDescending(arena, x);
  return view(arena, sorted, {
    shape: [k, x.shape[1], x.shape[2], x.shape[3]],
    strides: sorted.strides.slice(1),
  });
}
