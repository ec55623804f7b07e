import type { Address } from "../ledger/address.ts";
import type { GenesisAccount } from "../ledger/genesis.ts";
import type { TransactionContent } from "../ledger/transaction.ts";

/**
 * Begins every account with all that it spends on amounts and fees, so that every transaction
 * succeeds in whatever order they run, and none for another reason than its own. Accounts that
 * spend nothing are not named.
 *
 * @param transactions with fixed amounts; what `sweep` takes needs no funding
 */
export function fundingOf(transactions: Iterable<TransactionContent>): GenesisAccount[] {
  const spent = new Map<Address, bigint>();
  const add = (address: Address, amount: bigint) => {
    if (amount > 0n) spent.set(address, (spent.get(address) ?? 0n) + amount);
  };
  for (const { sender, fee, steps } of transactions) {
    add(sender, fee);
    for (const step of steps) {
      if (step.op === "debit") add(step.address, step.amount);
      else if (step.op === "check") add(step.address, step.amount + step.penalty);
    }
  }
  return Array.from(spent, ([address, balance]) => ({ address, balance }));
}
