/** The rows of expert outputs that a batch of tokens asks for, by expert. */
export interface RowGroups {
  /** `[expertCount + 1]`: the rows of expert `e` are `rows[offsets[e]..offsets[e + 1]]`. */
  readonly offsets: Int32Array;
  /** `[tokens * used]`: row numbers `token * used + rank`, rising within each expert. */
  readonly rows: Int32Array;
}

/**
 * Groups routed rows by expert, by counting.
 *
 * @param experts      `[tokens * used]`: the expert of each row
 * @param expertCount  every entry of `experts` is less
 * @param firstRow     number of the first row
 */
export function groupRows(experts: Int32Array, expertCount: number, firstRow = 0): RowGroups {
  const offsets = new Int32Array(expertCount + 1);
  for (const expert of experts) offsets[expert + 1] = (offsets[expert + 1] ?? 0) + 1;
  for (let expert = 0; expert < expertCount; expert++) {
    offsets[expert + 1] = (offsets[expert + 1] ?? 0) + (offsets[expert] ?? 0);
  }
  const next = offsets.slice(0, expertCount);
  const rows = new Int32Array(experts.length);
  experts.forEach((expert, row) => {
    const at = next[expert] ?? 0;
    rows[at] = firstRow + row;
    next[expert] = at + 1;
  });
  return { offsets, rows };
}

/** The rows of one expert, without a copy. */
export function rowsOf(groups: RowGroups, expert: number): Int32Array {
  return groups.rows.subarray(groups.offsets[expert], groups.offsets[expert + 1]);
}
