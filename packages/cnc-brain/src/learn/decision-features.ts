/** What the policy is told of a node alone; encoded again only when the node changed. */
export const NODE_INPUTS = [
  "cores, ln",
  "speed",
  "cores requested, share",
  "memory used, share",
  "running per core",
  "backlog per core, ln ms",
] as const;

/** Of a request on a node. Times as ln(1 + ms) / 10. */
export const PAIR_INPUTS = [
  "warm containers, ln",
  "network",
  "start",
  "data and run",
  "response over the best node's, ln",
  "response over SLO",
  "index over the best node's",
  "last core",
] as const;

/** Of the request and of the cluster as a whole; the same for every node. */
export const CONTEXT_FEATURES = [
  "mean duration",
  "SLO",
  "cold start",
  "waited over SLO",
  "best response over SLO",
  "best occupancy",
  "free cores, share",
  "free cores, ln",
  "cores, ln",
  "nodes that fit, share",
  "waiting per core, ln",
  "backlog per core",
  "warm containers, ln",
  "gain by waiting for a container",
  "constant",
] as const;
