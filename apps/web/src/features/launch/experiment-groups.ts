/** What a research package is about, by the first part of its experiments' kinds. */
const TITLES: Record<string, string> = {
  "moe-offload": "Mixture-of-Experts models in little memory",
  "cnc-brain": "Computing and networks as one",
  "shard-chain": "Sharded blockchains",
};

/** Experiments of one research package. */
export interface ExperimentGroup<T> {
  name: string;
  title: string;
  experiments: T[];
}

/** Experiments by research package, both in their given order. */
export function groupExperiments<T extends { kind: string }>(
  experiments: readonly T[],
): ExperimentGroup<T>[] {
  const groups = new Map<string, T[]>();
  for (const experiment of experiments) {
    const [name = ""] = experiment.kind.split(".");
    groups.set(name, [...(groups.get(name) ?? []), experiment]);
  }
  return [...groups].map(([name, members]) => ({
    name,
    title: TITLES[name] ?? name,
    experiments: members,
  }));
}
