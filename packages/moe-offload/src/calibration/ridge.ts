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
   * The map that minimises squared error plus `penalty` times the squared weights, with inputs
   * scaled to unit variance (an input that never changes gets weight 0).
   *
   * @param penalty  relative to one row of data, above 0
   */
  solve(penalty: number): LinearFit {
    const { inputCount, outputCount } = this;
    const count = Math.max(1, this.#count);
    const mean = this.#inputSum.map((sum) => sum / count);
    const scale = new Float64Array(inputCount);
    for (let i = 0; i < inputCount; i++) {
      const square = (this.#inputProducts[i * inputCount + i] ?? 0) / count;
      const variance = square - (mean[i] ?? 0) ** 2;
      scale[i] = variance > 1e-12 * Math.max(square, 1e-30) ? 1 / Math.sqrt(variance) : 0;
    }
    const factor = cholesky(this.#covariance(mean, scale, penalty), inputCount);
    const weights = new Float64Array(outputCount * inputCount);
    const bias = new Float64Array(outputCount);
    const right = new Float64Array(inputCount);
    for (let output = 0; output < outputCount; output++) {
      const outputMean = (this.#outputSum[output] ?? 0) / count;
      for (let i = 0; i < inputCount; i++) {
        const product = (this.#crossProducts[output * inputCount + i] ?? 0) / count;
        right[i] = (product - (mean[i] ?? 0) * outputMean) * (scale[i] ?? 0);
      }
      solveInPlace(factor, right, inputCount);
      let constant = outputMean;
      for (let i = 0; i < inputCount; i++) {
        const weight = (right[i] ?? 0) * (scale[i] ?? 0);
        weights[output * inputCount + i] = weight;
        constant -= weight * (mean[i] ?? 0);
      }
      bias[output] = constant;
    }
    return { weights, bias };
  }

  /** Lower triangle of the inputs' correlation plus the penalty on its diagonal. */
  #covariance(mean: Float64Array, scale: Float64Array, penalty: number): Float64Array {
    const { inputCount } = this;
    const count = Math.max(1, this.#count);
    const matrix = new Float64Array(inputCount * inputCount);
    for (let row = 0; row < inputCount; row++) {
      for (let column = 0; column <= row; column++) {
        const product = (this.#inputProducts[row * inputCount + column] ?? 0) / count;
        const covariance = product - (mean[row] ?? 0) * (mean[column] ?? 0);
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
