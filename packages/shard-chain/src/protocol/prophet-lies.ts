import { createPrng } from "@fmlab/sim";
import type { StateView } from "../ledger/state.ts";
import type { NodeId } from "../node/host.ts";
import type { Claim } from "./prophet-data.ts";

/**
 * What a lying coalition does: `result`: claims money and words that nobody handed on;
 * `snapshot`: invents the words of accounts and predicts from them; `stale`: reads an old height.
 */
export const LIES = ["result", "snapshot", "stale"] as const;

/** One of them. */
export type Lie = (typeof LIES)[number];

/** How the coalition with this leader and number lies; undefined: it does not. */
export function lieOf(
  { lyingCoalitionShare, seed }: { lyingCoalitionShare: number; seed: number },
  leader: NodeId,
  number: number,
): Lie | undefined {
  if (lyingCoalitionShare === 0) return undefined;
  const prng = createPrng(seed, `coalition ${leader}/${number}`);
  return prng.chance(lyingCoalitionShare) ? prng.pick(LIES) : undefined;
}

/** Wei that a false result invents. */
const INVENTED_WEI = 1_000n;

/** A claim whose transaction hands on what it does not have. */
export function falseResult(claim: Claim): Claim {
  const last = claim.carries.at(-1);
  if (last === undefined) return claim;
  const purse = last.purse + INVENTED_WEI;
  return { ...claim, carries: [...claim.carries.slice(0, -1), { ...last, purse, word: 7n }] };
}

/** Accounts with words that no snapshot holds. */
export function falseSnapshot(base: Pick<StateView, "get">): Pick<StateView, "get"> {
  return {
    get(key) {
      const value = base.get(key);
      return value?.kind === "account" ? { ...value, word: value.word ^ 5n } : value;
    },
  };
}
