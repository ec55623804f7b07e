import type { AnyExperiment } from "@fmlab/experiment";
import { accuracy } from "./accuracy.ts";
import { decode } from "./decode.ts";
import { quality } from "./quality.ts";

/** This package's experiments. */
export const definitions: AnyExperiment[] = [decode, accuracy, quality];
