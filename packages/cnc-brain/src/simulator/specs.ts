/** Where a node stands between users and the large data centres. */
export const TIERS = ["cloud", "edge", "device"] as const;
export type Tier = (typeof TIERS)[number];

/**
 * How a node divides its cores. `fcfs`: a request waits until the cores it asks for are free, then
 * has them alone. `ps`: everything that runs shares the cores at once (processor sharing).
 */
export const DISCIPLINES = ["fcfs", "ps"] as const;
export type Discipline = (typeof DISCIPLINES)[number];

/**
 * How bytes move. `fixed`: half a round trip and the size at the capacity of the path's tightest
 * link, as if alone. `shared`: max-min fair sharing among all transfers under way.
 */
export const TRANSFER_MODELS = ["fixed", "shared"] as const;
export type TransferModel = (typeof TRANSFER_MODELS)[number];

/** A machine that runs containers. */
export interface NodeSpec {
  name: string;
  tier: Tier;
  /** Index of its site in the network. */
  site: number;
  cores: number;
  memoryMb: number;
  accelerators: number;
  /** How fast its cores are; durations are given for speed 1. */
  speed: number;
  /** The same for requests that use an accelerator. */
  acceleratorSpeed: number;
  discipline: Discipline;
  /** Rate at which images arrive from the registry while transfers have fixed rates. */
  pullMbps: number;
  /** Own last hop, beside the site's round-trip time (a device's radio link). */
  accessRttMs: number;
  /** Capacity of that hop; Infinity: no limit. */
  accessMbps: number;
  pricePerCoreHour: number;
  pricePerGbHour: number;
  powerIdleW: number;
  powerPerCoreW: number;
  /** Grams of CO2 for a kWh at this site. */
  carbonGPerKwh: number;
  /** What selectors and policies match. */
  labels: Readonly<Record<string, string>>;
}

/** A plain node: one core of speed 1, enough memory for anything, free of charge. */
export const PLAIN_NODE: Omit<NodeSpec, "name"> = {
  tier: "cloud",
  site: 0,
  cores: 1,
  memoryMb: 1e9,
  accelerators: 0,
  speed: 1,
  acceleratorSpeed: 1,
  discipline: "fcfs",
  pullMbps: 1000,
  accessRttMs: 0,
  accessMbps: Number.POSITIVE_INFINITY,
  pricePerCoreHour: 0,
  pricePerGbHour: 0,
  powerIdleW: 0,
  powerPerCoreW: 0,
  carbonGPerKwh: 0,
  labels: {},
};

/** What is invoked: a function (its container is kept for the next request) or a long job. */
export interface FunctionSpec {
  name: string;
  tenant: string;
  /** A job's container ends with it, and a checkpoint outlives its node. */
  kind: "function" | "job";
  /** Cores an invocation asks for; its duration is with all of them. */
  cores: number;
  memoryMb: number;
  accelerators: number;
  /** From no container to a ready one, the image being there. */
  coldStartMs: number;
  /** Fetched once by each node; functions with the same image share it. */
  image: string;
  imageMb: number;
  /** Target for the whole response. */
  sloMs: number;
  requestKb: number;
  responseKb: number;
  /** Site of data an invocation reads; undefined: none. */
  dataSite: number | undefined;
  dataKb: number;
  /** What schedulers are told of its durations at speed 1; the truth is in the trace. */
  meanDurationMs: number;
  /** Labels a node must have. */
  nodeSelector: Readonly<Record<string, string>>;
  /** Work between two checkpoints of a job; 0: none, a failure costs all of it. */
  checkpointMs: number;
}

/** A plain function: one core, no memory, warm at once, nothing to transfer. */
export const PLAIN_FUNCTION: Omit<FunctionSpec, "name"> = {
  tenant: "default",
  kind: "function",
  cores: 1,
  memoryMb: 0,
  accelerators: 0,
  coldStartMs: 0,
  image: "",
  imageMb: 0,
  sloMs: 1000,
  requestKb: 0,
  responseKb: 0,
  dataSite: undefined,
  dataKb: 0,
  meanDurationMs: 1000,
  nodeSelector: {},
  checkpointMs: 0,
};

/** A node is away from `atMs` for `forMs`; what ran on it starts again elsewhere. */
export interface NodeFailure {
  node: number;
  atMs: number;
  forMs: number;
}
