import { createPrng, type Prng } from "@fmlab/sim";
import { type Address, addressOf } from "../ledger/address.ts";
import type { GenesisAccount } from "../ledger/genesis.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { TransactionContent } from "../ledger/transaction.ts";
import {
  balanceSlot,
  EXCHANGE_CODE,
  encodeSwap,
  quoteSwap,
  RESERVE_SLOTS,
  type Reserves,
  reservesAfter,
  type SwapDirection,
} from "./exchange.ts";
import { NonceCounter, type Workload } from "./workload.ts";

/** Dials of the trading workload. */
export interface SwapOptions {
  readonly transactions: number;
  readonly traders: number;
  /** Exchanges; trades pick one evenly. */
  readonly exchanges: number;
  /** Units of each token in each pool at the start. */
  readonly reserve: bigint;
  /** Largest trade, as a share of the reserve; trades are even below it. */
  readonly largestTradeShare: number;
  /**
   * How much less than expected a trader accepts, percent. The expectation is the trade's outcome
   * if all trades ran in the order of their arrival.
   */
  readonly slippagePercent: number;
  readonly feeWei?: bigint;
}

/** Address of an exchange of the workload. */
export function exchangeAddress(index: number): Address {
  return addressOf(`exchange ${index}`);
}

/**
 * Trades on constant-product exchanges that run on the EVM. A trade that gets less than its trader
 * accepts reverts: then something got in between.
 */
export function swaps(options: SwapOptions, seed: number): Workload {
  const { traders, exchanges, reserve, transactions, feeWei = 1n } = options;
  return {
    name: "swaps",
    remarks: [`trades revert when they get ${options.slippagePercent} % less than expected`],
    *genesis() {
      const fees = feeWei * BigInt(transactions);
      const names = Array.from({ length: traders }, (_, i) => traderAddress(i));
      for (const address of names) yield { address, balance: fees };
      for (let i = 0; i < exchanges; i++) yield exchangeAccount(i, names, reserve);
    },
    *transactions() {
      for (const content of generate(options, feeWei, createPrng(seed, "swaps"))) {
        yield makeTransaction(content);
      }
    },
  };
}

/** An exchange at which every trader holds as much of both tokens as the pool does. */
function exchangeAccount(
  index: number,
  traders: readonly Address[],
  reserve: bigint,
): GenesisAccount {
  const holdings = traders.flatMap((trader) =>
    ([0, 1] as const).map((direction) => [balanceSlot(trader, direction), reserve] as const),
  );
  return {
    address: exchangeAddress(index),
    balance: 0n,
    code: EXCHANGE_CODE,
    storage: [[RESERVE_SLOTS.a, reserve], [RESERVE_SLOTS.b, reserve], ...holdings],
  };
}

function traderAddress(index: number): Address {
  return addressOf(`trader ${index}`);
}

/** What a trade reads: both reserves and both of the trader's balances. */
function slotsOf(trader: Address): bigint[] {
  return [RESERVE_SLOTS.a, RESERVE_SLOTS.b, balanceSlot(trader, 0), balanceSlot(trader, 1)];
}

function* generate(options: SwapOptions, fee: bigint, prng: Prng): Generator<TransactionContent> {
  const { transactions, traders, exchanges, reserve, largestTradeShare } = options;
  const pools = Array.from({ length: exchanges }, (): Reserves => ({ a: reserve, b: reserve }));
  const nonces = new NonceCounter();
  const largest = Math.max(1, Math.floor(Number(reserve) * largestTradeShare));
  for (let i = 0; i < transactions; i++) {
    const sender = traderAddress(prng.nextInt(traders));
    const index = prng.nextInt(exchanges);
    const pool = pools[index] as Reserves;
    const direction: SwapDirection = prng.chance(0.5) ? 0 : 1;
    const amountIn = BigInt(1 + prng.nextInt(largest));
    const expected = quoteSwap(pool, direction, amountIn);
    const minOut = (expected * BigInt(Math.round(1e4 - 100 * options.slippagePercent))) / 10_000n;
    pools[index] = reservesAfter(pool, direction, amountIn);
    const data = encodeSwap(direction, amountIn, minOut);
    yield {
      kind: "call",
      sender,
      nonce: nonces.take(sender),
      fee,
      steps: [{ op: "call", address: exchangeAddress(index), data, slots: slotsOf(sender) }],
      paddingBytes: 0,
    };
  }
}
