import type { AnyExperiment } from "@fmlab/experiment";
import { forecast } from "./forecast.ts";
import { keepalive } from "./keepalive.ts";
import { schedule } from "./schedule.ts";

/** This package's experiments. */
export const definitions: AnyExperiment[] = [schedule, forecast, keepalive];
