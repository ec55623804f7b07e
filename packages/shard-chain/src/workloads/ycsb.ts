import { createPrng, type Prng } from "@fmlab/sim";
import { type Address, addressOf } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Step, TransactionContent } from "../ledger/transaction.ts";
import { NonceCounter, type Workload } from "./workload.ts";
import { createZipf } from "./zipf.ts";

/** Dials of the key-value workload. */
export interface YcsbOptions {
  readonly transactions: number;
  /** Records; each is an account whose word is the value. */
  readonly records: number;
  /** Clients, who send the transactions. */
  readonly clients: number;
  /** Records a transaction touches, 1 in YCSB itself. */
  readonly recordsPerTransaction: number;
  /** Share of the touches that write. YCSB A: 0.5, B: 0.05, C: 0. */
  readonly writeShare: number;
  /** Skew of the records; YCSB's own constant is 0.99. */
  readonly zipfExponent: number;
  readonly feeWei?: bigint;
}

/**
 * The Yahoo cloud serving benchmark's reads and updates, several a transaction: an update mixes the
 * record's word with all that the transaction has read.
 *
 * @see Cooper et al. 2010, Benchmarking Cloud Serving Systems with YCSB, section 4
 */
export function ycsb(options: YcsbOptions, seed: number): Workload {
  const { clients, transactions, feeWei = 1n } = options;
  return {
    name: "ycsb",
    remarks: ["an update depends on what its transaction read before"],
    *genesis() {
      const balance = feeWei * BigInt(transactions);
      for (let i = 0; i < clients; i++) yield { address: client(i), balance };
    },
    *transactions() {
      for (const content of generate(options, feeWei, createPrng(seed, "ycsb"))) {
        yield makeTransaction(content);
      }
    },
  };
}

function* generate(options: YcsbOptions, fee: bigint, prng: Prng): Generator<TransactionContent> {
  const { transactions, records, clients, recordsPerTransaction, writeShare } = options;
  const ranks = createZipf({ count: records, exponent: options.zipfExponent });
  const nonces = new NonceCounter();
  for (let i = 0; i < transactions; i++) {
    const sender = client(prng.nextInt(clients));
    const touched = new Set<number>();
    while (touched.size < Math.min(recordsPerTransaction, records)) touched.add(ranks.sample(prng));
    const steps = [...touched].map((rank): Step => {
      const op = prng.chance(writeShare) ? "mix" : "observe";
      return { op, address: addressOf(`record ${rank}`) };
    });
    const nonce = nonces.take(sender);
    yield { kind: "call", sender, nonce, fee, steps, paddingBytes: 0 };
  }
}

function client(index: number): Address {
  return addressOf(`client ${index}`);
}
