import { unknownName } from "../errors.ts";
import { type Forecaster, lastValue, movingAverage, seasonalNaive } from "./forecaster.ts";
import { histogramForecast } from "./histogram-forecast.ts";
import { holtWinters } from "./holt-winters.ts";
import { learnedForecast } from "./learned-forecast.ts";
import { FORECASTER_NAMES } from "./names.ts";

/**
 * A forecaster by name, in its first state.
 *
 * @param season values a season has, for those that know one
 * @throws CncError `UNKNOWN_NAME`
 */
export function createForecaster(name: string, season: number): Forecaster {
  switch (name) {
    case "last-value":
      return lastValue();
    case "moving-average":
      return movingAverage(10);
    case "seasonal-naive":
      return seasonalNaive(Math.max(1, season));
    case "holt-winters":
      return holtWinters({ season });
    case "histogram":
      return histogramForecast(60);
    case "learned":
      return learnedForecast(season);
    default:
      throw unknownName("forecaster", name, FORECASTER_NAMES);
  }
}
