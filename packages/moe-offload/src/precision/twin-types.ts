import { rowSizeBytes, TENSOR_TYPE } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import type { ExpertMatrix } from "../model/expert-layout.ts";
import type { TwinKind } from "./names.ts";

/** Elements of one block of Q2_K: its rows are multiples of it. @see ggml-common.h `QK_K` */
const Q2_K_BLOCK = 256;
/** Elements of one block of Q4_0. */
const Q4_0_BLOCK = 32;

/**
 * The type a matrix has in a twin: Q4_0, or Q2_K where that was asked for and rows allow it.
 *
 * @param path  the model, for the message
 * @returns a ggml type number
 * @throws MoeError `NO_TWIN` for rows that no type of twins can hold
 */
export function twinType(
  kind: TwinKind,
  matrix: Pick<ExpertMatrix, "name" | "columns">,
  path: string,
): number {
  const { columns, name } = matrix;
  if (kind === "q2_k" && columns % Q2_K_BLOCK === 0) return TENSOR_TYPE.Q2_K;
  if (columns % Q4_0_BLOCK === 0) return TENSOR_TYPE.Q4_0;
  throw new MoeError(
    `${path}: rows of the experts' ${name} matrices have ${columns} weights; a low-precision ` +
      `copy needs a multiple of ${Q4_0_BLOCK}. Run this model in its own precision.`,
    { code: "NO_TWIN", path, part: name, columns },
  );
}

/** Bytes of one matrix in a twin. @throws MoeError `NO_TWIN` */
export function twinBytes(kind: TwinKind, matrix: ExpertMatrix, path: string): number {
  return rowSizeBytes(twinType(kind, matrix, path), matrix.columns) * matrix.rows;
}
