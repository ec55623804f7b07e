import type { AnyExperiment } from "@fmlab/experiment";
import { attack } from "./attack.ts";
import { calibrate } from "./calibrate.ts";
import { cluster } from "./cluster.ts";
import { fairness } from "./fairness.ts";
import { saturation } from "./saturation.ts";
import { throughput } from "./throughput.ts";

/** This package's experiments. */
export const definitions: AnyExperiment[] = [
  throughput,
  saturation,
  fairness,
  attack,
  cluster,
  calibrate,
];
