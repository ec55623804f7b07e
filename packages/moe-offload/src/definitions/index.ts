import type { AnyExperiment } from "@fmlab/experiment";
import { decode } from "./decode.ts";

/** This package's experiments. */
export const definitions: AnyExperiment[] = [decode];
