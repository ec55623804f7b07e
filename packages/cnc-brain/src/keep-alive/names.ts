/** Keep-alive policies by name. */
export const KEEP_ALIVE_NAMES = [
  "fixed",
  "lru",
  "greedy-dual",
  "hybrid-histogram",
  "index",
  "oracle",
] as const;
export type KeepAliveName = (typeof KEEP_ALIVE_NAMES)[number];
