import type { AnyExperiment } from "@fmlab/experiment";
import { accuracy } from "./accuracy.ts";
import { decode } from "./decode.ts";
import { plan } from "./plan.ts";
import { prefill } from "./prefill.ts";
import { quality } from "./quality.ts";
import { replay } from "./replay.ts";
import { shape } from "./shape.ts";
import { shapeGroups } from "./shape-groups.ts";
import { shapePrefill } from "./shape-prefill.ts";
import { throughput } from "./throughput.ts";

/** This package's experiments. */
export const definitions: AnyExperiment[] = [
  decode,
  prefill,
  throughput,
  accuracy,
  quality,
  replay,
  plan,
  shape,
  shapeGroups,
  shapePrefill,
];
