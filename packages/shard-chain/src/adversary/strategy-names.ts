/**
 * What an adversary can do, as configs name it; a list of its own so that definitions import no
 * code of it. `Strategy` has the first eight with their details.
 */
export const STRATEGY_NAMES = [
  "equivocate",
  "withhold",
  "delay",
  "censor",
  "invalid-payload",
  "stale-snapshot",
  "stale-proposal",
  "false-vote",
  "slow-carrier",
  "front-run-within",
  "front-run-across",
  "lying-coalition",
  "crash",
] as const;

/** One of them. */
export type StrategyName = (typeof STRATEGY_NAMES)[number];

/** Those that are about one committee's consensus; the others need several shards. */
export const CONSENSUS_STRATEGIES: readonly StrategyName[] = STRATEGY_NAMES.slice(0, 8);
