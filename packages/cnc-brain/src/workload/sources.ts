/** Where requests come from, for forms. */
export const WORKLOAD_SOURCES = ["generated", "azure-2019", "azure-2021", "llm"] as const;
export type WorkloadSource = (typeof WORKLOAD_SOURCES)[number];

/** Where a network comes from. */
export const NETWORK_SOURCES = ["built-in", "topology", "rtt-matrix", "fixed"] as const;
export type NetworkSource = (typeof NETWORK_SOURCES)[number];
