import { definitions as cncBrain } from "@fmlab/cnc-brain/definitions";
import type { AnyExperiment } from "@fmlab/experiment";
import { definitions as moeOffload } from "@fmlab/moe-offload/definitions";
import { definitions as shardChain } from "@fmlab/shard-chain/definitions";
import { assembleRegistry, findExperiment, type Registry } from "./assemble.ts";

/**
 * Every experiment of this installation. A research package joins by one line here: its
 * `./definitions` entry point, which imports nothing native.
 */
export const experiments: Registry = assembleRegistry([...moeOffload, ...cncBrain, ...shardChain]);

/** @throws ExperimentError `UNKNOWN_EXPERIMENT` with the nearest name and all there are */
export function getExperiment(kind: string): AnyExperiment {
  return findExperiment(experiments, kind);
}
