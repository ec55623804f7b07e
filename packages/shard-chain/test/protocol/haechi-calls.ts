import type { Address } from "../../src/ledger/address.ts";
import type { makeTransaction } from "../../src/ledger/make-transaction.ts";
import type { Step } from "../../src/ledger/transaction.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { addressesOn } from "../../src/workloads/victims.ts";
import type { Workload } from "../../src/workloads/workload.ts";

const PLACEMENT = modulo(3);

/** Accounts on three shards: two on the first, one on each of the others. */
export const [payer, other, payee, third] = [
  ...addressesOn(PLACEMENT, 0, "payer", 2),
  ...addressesOn(PLACEMENT, 1, "payee", 1),
  ...addressesOn(PLACEMENT, 2, "third", 1),
] as [Address, Address, Address, Address];

/** Reads an account. */
export function observe(address: Address): Step {
  return { op: "observe", address };
}

/** Takes 5 wei, or 6 where less was seen. */
export function check(address: Address): Step {
  return { op: "check", address, amount: 5n, penalty: 1n };
}

/** Puts all there is into an account. */
export function deposit(address: Address): Step {
  return { op: "deposit", address };
}

/** The payer's first transaction, with these steps. */
export function callOf(steps: readonly Step[]) {
  return { kind: "call", sender: payer, nonce: 0, fee: 1n, steps, paddingBytes: 0 } as const;
}

/** Payer and third begin with so much. */
export function genesis(balance: bigint) {
  return [payer, third].map((address) => ({ address, balance }));
}

/** These transactions and no others. */
export function workloadOf(transactions: readonly ReturnType<typeof makeTransaction>[]): Workload {
  return {
    name: "given transactions",
    remarks: [],
    genesis: () => genesis(10_000n),
    transactions: () => transactions,
  };
}
