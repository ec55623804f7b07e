import { createPrng, type Prng } from "@fmlab/sim";
import { type Address, addressOf } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Step, TransactionContent } from "../ledger/transaction.ts";
import { NonceCounter, type Workload } from "./workload.ts";
import { createZipf } from "./zipf.ts";

/** SmallBank's dials. */
export interface SmallBankOptions {
  readonly transactions: number;
  /** Each has a wallet, a checking and a savings account. */
  readonly customers: number;
  /** Skew of who acts; 0 is even. */
  readonly zipfExponent: number;
  /** Weights of the six operations, in the order of `SMALLBANK_OPERATIONS`. */
  readonly weights?: readonly number[];
  /** Wei that each of the three accounts of a customer begins with. */
  readonly initialWei?: bigint;
  readonly feeWei?: bigint;
}

/** The six operations of the benchmark. */
export const SMALLBANK_OPERATIONS = [
  "balance",
  "depositChecking",
  "transactSavings",
  "amalgamate",
  "writeCheck",
  "sendPayment",
] as const;

/** The mix of OLTP-Bench, percent: 15 of each, and 25 of sendPayment. */
const WEIGHTS = [15, 15, 15, 15, 15, 25] as const;

/**
 * SmallBank on ledger accounts. Money never appears: what the benchmark deposits comes from the
 * customer's wallet, and what is drawn by check goes to the wallet. A check that is not covered
 * costs the penalty of 1; one that even the checking account cannot pay fails, since balances here
 * do not fall below zero.
 *
 * @see Alomari, Cahill, Fekete, Röhm 2008, The Cost of Serializability on Platforms That Use
 *      Snapshot Isolation
 */
export function smallBank(options: SmallBankOptions, seed: number): Workload {
  const { customers, initialWei = 10n ** 18n, feeWei = 1n } = options;
  const fees = feeWei * BigInt(options.transactions);
  return {
    name: "smallbank",
    remarks: ["deposits come from the customer's wallet, checks go to it"],
    *genesis() {
      for (let i = 0; i < customers; i++) {
        const { wallet, checking, savings } = customer(i);
        yield { address: wallet, balance: initialWei + fees };
        yield { address: checking, balance: initialWei };
        yield { address: savings, balance: initialWei };
      }
    },
    *transactions() {
      for (const content of generate(options, feeWei, createPrng(seed, "smallbank"))) {
        yield makeTransaction(content);
      }
    },
  };
}

interface Customer {
  readonly wallet: Address;
  readonly checking: Address;
  readonly savings: Address;
}

function customer(index: number): Customer {
  const account = (kind: string) => addressOf(`${kind} of customer ${index}`);
  return { wallet: account("wallet"), checking: account("checking"), savings: account("savings") };
}

function* generate(
  { transactions, customers, zipfExponent, weights = WEIGHTS }: SmallBankOptions,
  fee: bigint,
  prng: Prng,
): Generator<TransactionContent> {
  const ranks = createZipf({ count: customers, exponent: zipfExponent });
  const operations = weights.flatMap((weight, i) =>
    Array.from({ length: weight }, () => SMALLBANK_OPERATIONS[i] as Operation),
  );
  const nonces = new NonceCounter();
  for (let i = 0; i < transactions; i++) {
    const one = customer(ranks.sample(prng));
    const other = customer(ranks.sample(prng));
    const amount = BigInt(1 + prng.nextInt(100));
    const steps = stepsOf(prng.pick(operations), one, other, amount, prng);
    const nonce = nonces.take(one.wallet);
    yield { kind: "call", sender: one.wallet, nonce, fee, steps, paddingBytes: 0 };
  }
}

type Operation = (typeof SMALLBANK_OPERATIONS)[number];

function stepsOf(
  operation: Operation,
  { wallet, checking, savings }: Customer,
  other: Customer,
  amount: bigint,
  prng: Prng,
): Step[] {
  switch (operation) {
    case "balance":
      return [
        { op: "observe", address: savings },
        { op: "observe", address: checking },
      ];
    case "depositChecking":
      return move(wallet, checking, amount);
    case "transactSavings":
      // The benchmark's amount may be negative: then it is drawn from the savings.
      return prng.chance(0.5) ? move(wallet, savings, amount) : move(savings, wallet, amount);
    case "amalgamate":
      return [
        { op: "sweep", address: savings },
        { op: "sweep", address: checking },
        { op: "deposit", address: other.checking },
      ];
    case "writeCheck":
      return [
        { op: "observe", address: savings },
        { op: "check", address: checking, amount, penalty: 1n },
        { op: "deposit", address: wallet },
      ];
    case "sendPayment":
      return move(checking, other.checking, amount);
  }
}

function move(from: Address, to: Address, amount: bigint): Step[] {
  return [
    { op: "debit", address: from, amount },
    { op: "credit", address: to, amount },
  ];
}
