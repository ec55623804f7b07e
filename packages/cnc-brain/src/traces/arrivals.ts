import type { Prng } from "@fmlab/sim";
import type { MinuteSpread } from "./names.ts";

const MINUTE_MS = 60_000;

/** Arrivals from counts by minute, in rising order, ms from the first minute's start. */
export function spreadMinutes(
  perMinute: ArrayLike<number>,
  spread: MinuteSpread,
  prng: Prng,
): Float64Array {
  let total = 0;
  for (let m = 0; m < perMinute.length; m++) total += perMinute[m] as number;
  const arrivals = new Float64Array(total);
  let at = 0;
  for (let m = 0; m < perMinute.length; m++) {
    const count = perMinute[m] as number;
    if (count === 0) continue;
    const inside = arrivals.subarray(at, at + count);
    fillMinute(inside, spread, prng);
    for (let i = 0; i < count; i++) inside[i] = m * MINUTE_MS + (inside[i] as number) * MINUTE_MS;
    at += count;
  }
  return arrivals;
}

/** Rising places in [0, 1). */
function fillMinute(places: Float64Array, spread: MinuteSpread, prng: Prng): void {
  const count = places.length;
  if (spread === "equidistant") {
    for (let i = 0; i < count; i++) places[i] = i / count;
  } else if (spread === "uniform") {
    for (let i = 0; i < count; i++) places[i] = prng.nextFloat();
    places.sort();
  } else {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += prng.exponential(1);
      places[i] = sum;
    }
    // One gap more, from the last arrival to the end of the minute.
    sum += prng.exponential(1);
    for (let i = 0; i < count; i++) places[i] = (places[i] as number) / sum;
  }
}
