import { burr, logLinear, logNormal } from "./distributions.ts";

/**
 * What *Serverless in the Wild* (Shahrad et al., USENIX ATC 2020) publishes of Azure Functions, as
 * far as a generator needs it; numbers at second hand (notes that quote the paper, and its figures
 * as images in the data set's repository).
 */

/** Average duration of a function, seconds: log-mean -0.38, sigma 2.36. */
export const DURATION_SECONDS = logNormal(-0.38, 2.36);

/** Average memory of an application, MB. */
export const MEMORY_MB = burr(11.652, 0.221, 107.083);

/**
 * Invocations of an application in a day. Published: 45 % have at most one an hour, 81.4 % at most
 * one a minute, and the others make 99.6 % of all invocations. Both ends are chosen: the upper one
 * so that the 99.6 % come out.
 */
export const APP_INVOCATIONS_PER_DAY = logLinear([
  [0, 0.1],
  [0.45, 24],
  [0.814, 1440],
  [1, 1.15e6],
]);

/** Functions of an application: at most so many, share of applications (mikhail.io's reading). */
export const FUNCTIONS_PER_APP: readonly (readonly [from: number, to: number, share: number])[] = [
  [1, 1, 0.54],
  [2, 2, 0.16],
  [3, 3, 0.1],
  [4, 5, 0.08],
  [6, 10, 0.07],
  [11, 100, 0.05],
];

/** What starts functions. */
export const TRIGGERS = ["http", "queue", "event", "orchestration", "timer", "storage", "others"];

/** Share of the functions with each trigger, percent, in the order of `TRIGGERS`. */
export const TRIGGER_PERCENT = [55.0, 15.2, 2.2, 6.9, 15.6, 2.8, 2.2];

/** Arrivals between the lowest and the highest hour: about half are there all day. */
export const DIURNAL_AMPLITUDE = 1 / 3;

/** Share of applications whose gaps vary more than a Poisson process's. */
export const BURSTY_SHARE = 0.4;
