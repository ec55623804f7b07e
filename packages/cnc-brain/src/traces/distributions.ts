/** A distribution that can be asked both ways. */
export interface Distribution {
  /** Probability of at most x. */
  cdf(x: number): number;
  /** The x below which the share u in (0, 1) lies. */
  quantile(u: number): number;
}

/** Standard normal probability of at most z, to about 1e-12 (continued fraction and series). */
export function normalCdf(z: number): number {
  const x = Math.abs(z);
  if (x > 38) return z < 0 ? 0 : 1;
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let tail: number;
  if (x < 3) {
    // Series of Marsaglia 2004: Phi(x) = 1/2 + density (x + x^3/3 + x^5/15 + ...).
    let term = x;
    let sum = x;
    for (let k = 3; term > sum * 1e-17; k += 2) {
      term *= (x * x) / k;
      sum += term;
    }
    tail = 0.5 - density * sum;
  } else {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / (x + fraction);
    tail = density / (x + fraction);
  }
  return z < 0 ? tail : 1 - tail;
}

/** The z below which the share u lies, by bisection on `normalCdf`. */
export function normalQuantile(u: number): number {
  let [low, high] = [-38, 38];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < u) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** exp of a normal variable. */
export function logNormal(logMean: number, logSigma: number): Distribution {
  return {
    cdf: (x) => (x <= 0 ? 0 : normalCdf((Math.log(x) - logMean) / logSigma)),
    quantile: (u) => Math.exp(logMean + logSigma * normalQuantile(u)),
  };
}

/** Burr type XII: F(x) = 1 - (1 + (x / scale)^c)^-k. */
export function burr(c: number, k: number, scale: number): Distribution {
  return {
    cdf: (x) => (x <= 0 ? 0 : 1 - (1 + (x / scale) ** c) ** -k),
    quantile: (u) => scale * ((1 - u) ** (-1 / k) - 1) ** (1 / c),
  };
}

/** A distribution of a positive variable by points, straight in its logarithm between them. */
export function logLinear(points: readonly (readonly [share: number, x: number])[]): Distribution {
  const between = (value: number, of: 0 | 1): number => {
    const at = (i: number, side: 0 | 1) => {
      const [share, x] = points[i] as readonly [number, number];
      return side === 0 ? share : Math.log(x);
    };
    const last = points.length - 1;
    if (value <= at(0, of)) return at(0, of === 0 ? 1 : 0);
    if (value >= at(last, of)) return at(last, of === 0 ? 1 : 0);
    const upper = points.findIndex((_, i) => at(i, of) > value);
    const part = (value - at(upper - 1, of)) / (at(upper, of) - at(upper - 1, of));
    const other = of === 0 ? 1 : 0;
    return at(upper - 1, other) + part * (at(upper, other) - at(upper - 1, other));
  };
  return {
    cdf: (x) => (x <= 0 ? 0 : between(Math.log(x), 1)),
    quantile: (u) => Math.exp(between(u, 0)),
  };
}
