/** Forecasts the next value of a series from those before it. */
export interface Forecaster {
  readonly name: string;
  /** Of the next value; 0 while nothing is known. */
  predict(): number;
  observe(value: number): void;
}

/** The last value again. */
export function lastValue(): Forecaster {
  let last = 0;
  return {
    name: "last-value",
    predict: () => last,
    observe: (value) => {
      last = value;
    },
  };
}

/** The mean of the last `window` values. */
export function movingAverage(window: number): Forecaster {
  const values: number[] = [];
  let sum = 0;
  return {
    name: "moving-average",
    predict: () => (values.length === 0 ? 0 : Math.max(0, sum) / values.length),
    observe(value) {
      values.push(value);
      sum += value;
      if (values.length > window) sum -= values.shift() as number;
    },
  };
}

/** The value one season before; the last value until a season is over. */
export function seasonalNaive(season: number): Forecaster {
  const values: number[] = [];
  return {
    name: "seasonal-naive",
    predict: () => values[values.length - season] ?? values[values.length - 1] ?? 0,
    observe(value) {
      values.push(value);
      if (values.length > season) values.shift();
    },
  };
}
