/** A linear map `y = weights x + bias` fitted by ridge regression. */
export interface LinearFit {
  /** `[outputs, inputs]`, row-major. */
  readonly weights: Float64Array;
  /** `[outputs]` */
  readonly bias: Float64Array;
}

/**
 * Sums of products from which a ridge regression is solved; rows of data are added one by one and
 * not kept.
 */
export class RidgeRegression {
  readonly inputCount: number;
  readonly outputCount: number;
  #count = 0;
  readonly #inputSum: Float64Array;
  readonly #outputSum: Float64Array;
  /** `[inputs, inputs]`, lower triangle. */
  readonly #inputProducts: Float64Array;
  /** `[outputs, inputs]` */
  readonly #crossProducts: Float64Array;

  constructor(inputCount: number, outputCount: number) {
    this.inputCount = inputCount;
    this.outputCount = outputCount;
    this.#inputSum = new Float64Array(inputCount);
    this.#outputSum = new Float64Array(outputCount);
    this.#inputProducts = new Float64Array(inputCount * inputCount);
    this.#crossProducts = new Float64Array(outputCount * inputCount);
  }

  /** Rows added so far. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds one row of data.
   * @param inputs   `[inputCount]`
   * @param outputs  `[outputCount]`
   */
  add(inputs: ArrayLike<number>, outputs: ArrayLike<number>): void {
    const { inputCount, outputCount } = this;
    this.#count++;
    for (let i = 0; i < inputCount; i++) {
      const value = inputs[i] ?? 0;
      this.#inputSum[i] = (this.#inputSum[i] ?? 0) + value;
      addScaled(this.#inputProducts, i * inputCount, inputs, value, i + 1);
    }
    for (let i = 0; i < outputCount; i++) {
      const value = outputs[i] ?? 0;
      this.#outputSum[i] = (this.#outputSum[i] ?? 0) + value;
      if (value !== 0) {
        addScaled(this.#crossProducts, i * inputCount, inputs, value, inputCount);
      }
    }
  }

  /**
   * The map that minimises squared error plus `penalty` times the squares of what its weights
   * differ by from a prior's, with inputs scaled to unit variance. An input that never changes
   * keeps the prior's weight.
   *
   * @param penalty  relative to one row of data, above 0
   * @param prior    `[outputs, inputs]`; default: zeros
   */
  solve(penalty: number, prior?: Float64Array): LinearFit {
    const { inputCount, outputCount } = this;
    const count = Math.max(1, this.#count);
    const mean = this.#inputSum.map((sum) => sum / count);
    const scale = new Float64Array(inputCount);
    for (let i = 0; i < inputCount; i++) {
      const square = (this.#inputProducts[i * inputCount + i] ?? 0) / count;
      const variance = this.covariance(i, i);
      scale[i] = variance > 1e-12 * Math.max(square, 1e-30) ? 1 / Math.sqrt(variance) : 0;
    }
    const factor = cholesky(this.#correlation(scale, penalty), inputCount);
    const weights = new Float64Array(outputCount * inputCount);
    const bias = new Float64Array(outputCount);
    const right = new Float64Array(inputCount);
    for (let output = 0; output < outputCount; output++) {
      for (let i = 0; i < inputCount; i++) right[i] = this.crossCovariance(i, output);
      const known = prior?.subarray(output * inputCount, (output + 1) * inputCount);
      if (known) this.#explain(right, known);
      for (let i = 0; i < inputCount; i++) right[i] = (right[i] ?? 0) * (scale[i] ?? 0);
      solveInPlace(factor, right, inputCount);
      let constant = (this.#outputSum[output] ?? 0) / count;
      for (let i = 0; i < inputCount; i++) {
        const weight = (right[i] ?? 0) * (scale[i] ?? 0) + (known?.[i] ?? 0);
        weights[output * inputCount + i] = weight;
        constant -= weight * (mean[i] ?? 0);
      }
      bias[output] = constant;
    }
    return { weights, bias };
  }

  /** The regression over the rows of two. */
  static merged(a: RidgeRegression, b: RidgeRegression): RidgeRegression {
    const both = new RidgeRegression(a.inputCount, a.outputCount);
    for (const one of [a, b]) {
      both.#count += one.#count;
      addAll(both.#inputSum, one.#inputSum);
      addAll(both.#outputSum, one.#outputSum);
      addAll(both.#inputProducts, one.#inputProducts);
      addAll(both.#crossProducts, one.#crossProducts);
    }
    return both;
  }

  /**
   * Mean squared error of a map on the rows added here, summed over outputs, less what is the same
   * for all maps: the outputs' variance.
   */
  excessError({ bias, weights }: LinearFit): number {
    const { inputCount, outputCount } = this;
    const count = Math.max(1, this.#count);
    const covariances = new Float64Array(inputCount * inputCount);
    for (let i = 0; i < inputCount; i++) {
      for (let j = 0; j < inputCount; j++) {
        covariances[i * inputCount + j] = this.covariance(i, j);
      }
    }
    let error = 0;
    for (let output = 0; output < outputCount; output++) {
      const row = weights.subarray(output * inputCount, (output + 1) * inputCount);
      let offset = (this.#outputSum[output] ?? 0) / count - (bias[output] ?? 0);
      for (let i = 0; i < inputCount; i++) {
        const weight = row[i] ?? 0;
        const explained = dot(covariances, i * inputCount, row);
        error += weight * (explained - 2 * this.crossCovariance(i, output));
        offset -= (weight * (this.#inputSum[i] ?? 0)) / count;
      }
      error += offset ** 2;
    }
    return error;
  }

  /** Covariance of two inputs. */
  covariance(a: number, b: number): number {
    const [row, column] = a >= b ? [a, b] : [b, a];
    const count = Math.max(1, this.#count);
    const product = (this.#inputProducts[row * this.inputCount + column] ?? 0) / count;
    return product - ((this.#inputSum[a] ?? 0) / count) * ((this.#inputSum[b] ?? 0) / count);
  }

  /** Covariance of an input and an output. */
  crossCovariance(input: number, output: number): number {
    const count = Math.max(1, this.#count);
    const product = (this.#crossProducts[output * this.inputCount + input] ?? 0) / count;
    return (
      product - ((this.#inputSum[input] ?? 0) / count) * ((this.#outputSum[output] ?? 0) / count)
    );
  }

  /** Takes from the covariances of inputs with an output what given weights explain of them. */
  #explain(right: Float64Array, weights: Float64Array): void {
    weights.forEach((weight, from) => {
      if (weight === 0) return;
      for (let i = 0; i < right.length; i++) {
        right[i] = (right[i] ?? 0) - weight * this.covariance(from, i);
      }
    });
  }

  /** Lower triangle of the inputs' correlation plus the penalty on its diagonal. */
  #correlation(scale: Float64Array, penalty: number): Float64Array {
    const { inputCount } = this;
    const matrix = new Float64Array(inputCount * inputCount);
    for (let row = 0; row < inputCount; row++) {
      for (let column = 0; column <= row; column++) {
        const covariance = this.covariance(row, column);
        const correlation = covariance * (scale[row] ?? 0) * (scale[column] ?? 0);
        matrix[row * inputCount + column] = correlation + (row === column ? penalty : 0);
      }
    }
    return matrix;
  }
}

/** `target[from + i] += factor * values[i]` for the first `count` values. */
function addScaled(
  target: Float64Array,
  from: number,
  values: ArrayLike<number>,
  factor: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    target[from + i] = (target[from + i] ?? 0) + factor * (values[i] ?? 0);
  }
}

function addAll(target: Float64Array, values: Float64Array): void {
  addScaled(target, 0, values, 1, values.length);
}

/** Product of `values` with as many others from `first` on. */
function dot(others: Float64Array, first: number, values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (others[first + i] ?? 0) * (values[i] ?? 0);
  return sum;
}

/** Factor of a symmetric positive matrix, in place: the lower triangle of `L`, `L L^T = matrix`. */
function cholesky(matrix: Float64Array, size: number): Float64Array {
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) {
      let sum = matrix[row * size + column] ?? 0;
      for (let k = 0; k < column; k++) {
        sum -= (matrix[row * size + k] ?? 0) * (matrix[column * size + k] ?? 0);
      }
      const diagonal = matrix[column * size + column] ?? 1;
      // The penalty keeps the diagonal above rounding errors.
      matrix[row * size + column] =
        row === column ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / diagonal;
    }
  }
  return matrix;
}

/** Solves `L L^T x = right` in place. */
function solveInPlace(factor: Float64Array, right: Float64Array, size: number): void {
  for (let row = 0; row < size; row++) {
    let sum = right[row] ?? 0;
    for (let k = 0; k < row; k++) sum -= (factor[row * size + k] ?? 0) * (right[k] ?? 0);
    right[row] = sum / (factor[row * size + row] ?? 1);
  }
  for (let row = size - 1; row >= 0; row--) {
    let sum = right[row] ?? 0;
    for (let k = row + 1; k < size; k++) sum -= (factor[k * size + row] ?? 0) * (right[k] ?? 0);
    right[row] = sum / (factor[row * size + row] ?? 1);
  }
}
