import type { AnyExperiment } from "@fmlab/experiment";
import { adapt } from "./adapt.ts";
import { forecast } from "./forecast.ts";
import { keepalive } from "./keepalive.ts";
import { schedule } from "./schedule.ts";
import { testbed } from "./testbed.ts";
import { train } from "./train.ts";

/** This package's experiments. */
export const definitions: AnyExperiment[] = [schedule, forecast, keepalive, adapt, testbed, train];
