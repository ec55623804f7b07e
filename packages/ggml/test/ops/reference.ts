/**
 * Naive references in double precision: plain loops over dense arrays, the first dimension inner.
 */

export type Shape = readonly [number, number, number, number];

/** Number of elements. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, count) => product * count, 1);
}

/** Calls `visit` with every index and its place in a dense array. */
export function forEachIndex(shape: Shape, visit: (index: Shape, place: number) => void): void {
  let place = 0;
  for (let i3 = 0; i3 < shape[3]; i3++) {
    for (let i2 = 0; i2 < shape[2]; i2++) {
      for (let i1 = 0; i1 < shape[1]; i1++) {
        for (let i0 = 0; i0 < shape[0]; i0++) visit([i0, i1, i2, i3], place++);
      }
    }
  }
}

/** The place of an index in a dense array; indices wrap around, which repeats the array. */
export function placeOf(shape: Shape, index: Shape): number {
  const [i0, i1, i2, i3] = index.map((i, d) => i % (shape[d] ?? 1)) as [
    number,
    number,
    number,
    number,
  ];
  return ((i3 * shape[2] + i2) * shape[1] + i1) * shape[0] + i0;
}

/** `a` with `b` repeated over it. */
export function binary(
  a: Float32Array,
  aShape: Shape,
  b: Float32Array,
  bShape: Shape,
  combine: (x: number, y: number) => number,
): Float64Array {
  const result = new Float64Array(a.length);
  forEachIndex(aShape, (index, place) => {
    result[place] = combine(a[place] ?? 0, b[placeOf(bShape, index)] ?? 0);
  });
  return result;
}

/** Applies `change` to each row of `columns` elements. */
export function rowByRow(
  values: ArrayLike<number>,
  columns: number,
  change: (row: number[], index: number) => number[],
): number[] {
  const all = Array.from(values);
  const rows = all.length / columns;
  return Array.from({ length: rows }, (_, row) =>
    change(all.slice(row * columns, (row + 1) * columns), row),
  ).flat();
}

export function softMax(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

export function rmsNorm(row: readonly number[], epsilon: number): number[] {
  const mean = row.reduce((sum, value) => sum + value * value, 0) / row.length;
  return row.map((value) => value / Math.sqrt(mean + epsilon));
}

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
export const silu = (x: number): number => x * sigmoid(x);

/** `[k, m, wa2, wa3] x [k, n, x2, x3] -> [m, n, x2, x3]`; the weight is repeated in blocks. */
export function mulMat(
  weight: ArrayLike<number>,
  weightShape: Shape,
  x: ArrayLike<number>,
  xShape: Shape,
): Float64Array {
  const shape: Shape = [weightShape[1], xShape[1], xShape[2], xShape[3]];
  const result = new Float64Array(countOf(shape));
  forEachIndex(shape, ([m, n, i2, i3], place) => {
    const w2 = Math.floor(i2 / (xShape[2] / weightShape[2]));
    const w3 = Math.floor(i3 / (xShape[3] / weightShape[3]));
    let sum = 0;
    for (let k = 0; k < weightShape[0]; k++) {
      const w = weight[placeOf(weightShape, [k, m, w2, w3])] ?? 0;
      sum += w * (x[placeOf(xShape, [k, n, i2, i3])] ?? 0);
    }
    result[place] = sum;
  });
  return result;
}

/** Turns pairs of elements of `[size, heads, tokens]` by angles that fall with their place. */
export function rope(
  x: ArrayLike<number>,
  shape: readonly [number, number, number],
  positions: ArrayLike<number>,
  options: {
    dimensions: number;
    isNeox: boolean;
    base: number;
    scale: number;
    factors: ArrayLike<number>;
  },
): Float64Array {
  const [size, heads, tokens] = shape;
  const result = Float64Array.from(Array.from(x));
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      const first = (token * heads + head) * size;
      for (let pair = 0; pair < options.dimensions / 2; pair++) {
        const angle =
          (positions[token] ?? 0) *
          options.scale *
          (options.base ** ((-2 * pair) / options.dimensions) / (options.factors[pair] ?? 1));
        const a = first + (options.isNeox ? pair : 2 * pair);
        const b = options.isNeox ? a + options.dimensions / 2 : a + 1;
        const [xa, xb] = [x[a] ?? 0, x[b] ?? 0];
        result[a] = xa * Math.cos(angle) - xb * Math.sin(angle);
        result[b] = xa * Math.sin(angle) + xb * Math.cos(angle);
      }
    }
  }
  return result;
}

/** Attention of `q [size, tokens, heads]` over `k, v [size, length, kvHeads]`. */
export function attention(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  sizes: { size: number; tokens: number; heads: number; length: number; kvHeads: number },
  mask: (key: number, token: number) => number,
  scale: number,
): Float64Array {
  const { size, tokens, heads, length, kvHeads } = sizes;
  const result = new Float64Array(size * heads * tokens);
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / (heads / kvHeads));
      const scores = Array.from({ length }, (_, key) => {
        let score = 0;
        for (let d = 0; d < size; d++) {
          const own = q[(head * tokens + token) * size + d] ?? 0;
          score += own * (k[(kvHead * length + key) * size + d] ?? 0);
        }
        return score * scale + mask(key, token);
      });
      softMax(scores).forEach((weight, key) => {
        for (let d = 0; d < size; d++) {
          const place = (token * heads + head) * size + d;
          const value = v[(kvHead * length + key) * size + d] ?? 0;
          result[place] = (result[place] ?? 0) + weight * value;
        }
      });
    }
  }
  return result;
}

/** Expands Q8_0: blocks of 32 signed bytes behind one half-precision scale. */
export function dequantiseQ8(bytes: Uint8Array, fromHalf: (bits: number) => number): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const result = new Float64Array((bytes.length / 34) * 32);
  for (let block = 0; block < bytes.length / 34; block++) {
    const scale = fromHalf(view.getUint16(block * 34, true));
    for (let i = 0; i < 32; i++) {
      result[block * 32 + i] = scale * view.getInt8(block * 34 + 2 + i);
    }
  }
  return result;
}
