import type { LedgerState } from "../ledger/state.ts";
import { OUTCOME, type RunHistory } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** Sum of all balances of a state, wei: the count that nothing else of this package makes. */
export function totalBalance(state: LedgerState): bigint {
  let total = 0n;
  for (const value of state.values()) if (value.kind === "account") total += value.balance;
  return total;
}

/**
 * Conservation of value. A transaction that has ended left all money with somebody; one in flight
 * may owe money to somebody, but has created none; and what all shards hold, with what is in flight
 * and what was burned, is what genesis gave them.
 *
 * @param totals sums over the shards of all balances, at genesis and at the end of the record, wei
 */
export function checkConservation(
  history: RunHistory,
  totals: { readonly genesis: bigint; readonly now: bigint },
): Verdict {
  const findings = new Findings();
  let inFlight = 0n;
  let inFlightCount = 0;
  history.balances.forEach((sum, transaction) => {
    const txId = history.transactions.nameOf(transaction);
    if (history.outcomes[transaction] !== OUTCOME.none) {
      if (sum === 0n) return;
      const verb = sum > 0n ? "created" : "lost";
      findings.add(`${txId} has ended and ${verb} ${sum > 0n ? sum : -sum} wei`, [txId]);
    } else if (sum !== 0n) {
      inFlightCount++;
    }
    inFlight -= sum;
  });
  for (const [transaction, sum] of history.minted) {
    const txId = history.transactions.nameOf(transaction);
    findings.add(`${txId} gave out ${sum} wei that it had not taken from anybody`, [txId]);
  }
  const accounted = totals.now + inFlight + history.burned;
  if (accounted !== totals.genesis) {
    findings.add(
      `the shards hold ${totals.now} wei, ${inFlight} are in flight and ${history.burned} burned: ` +
        `together ${accounted}, but genesis gave ${totals.genesis}`,
      [],
    );
  }
  return findings.verdict("conservation", { inFlightCount });
}
