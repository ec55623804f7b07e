/** One curve with its own x values, which rise. `null` is a gap. */
export interface Curve {
  name: string;
  x: number[];
  y: (number | null)[];
  /** Lowest and highest value of each bucket, when points were bucketed. */
  band?: { min: (number | null)[]; max: (number | null)[] };
}

export interface AlignedCurves {
  x: number[];
  /**
   * Per curve one value per x: a number, `null` (a gap) or `undefined` (the curve has no such x).
   */
  y: (number | null | undefined)[][];
  min: (number | null | undefined)[][];
  max: (number | null | undefined)[][];
}

/** Puts curves on one shared x axis, the sorted union of theirs. */
export function alignCurves(curves: readonly Curve[]): AlignedCurves {
  const x = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  const at = new Map(x.map((value, index) => [value, index]));
  const spread = (curve: Curve, values: (number | null)[] | undefined) => {
    const row = new Array<number | null | undefined>(x.length).fill(undefined);
    if (values === undefined) return row;
    curve.x.forEach((value, i) => {
      const index = at.get(value);
      if (index !== undefined) row[index] = values[i] ?? null;
    });
    return row;
  };
  return {
    x,
    y: curves.map((curve) => spread(curve, curve.y)),
    min: curves.map((curve) => spread(curve, curve.band?.min)),
    max: curves.map((curve) => spread(curve, curve.band?.max)),
  };
}
