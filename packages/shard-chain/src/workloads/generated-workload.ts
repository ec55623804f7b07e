import { createPrng, type Prng } from "@fmlab/sim";
import { type Address, addressOf } from "../ledger/address.ts";
import { makeTransaction } from "../ledger/make-transaction.ts";
import type { Step, TransactionContent } from "../ledger/transaction.ts";
import { fundingOf } from "./funding.ts";
import { checkGeneratorOptions, type GeneratorOptions } from "./generator-options.ts";
import { NonceCounter, type Workload } from "./workload.ts";
import { createZipf, type RankSampler } from "./zipf.ts";

/**
 * Transactions drawn to look like Ethereum's: a few accounts that everybody deals with, a long tail
 * seen once, and stretches in which one account is in most transactions (a payout, a sale). Calls
 * run the native stand-in, which mixes the words of all accounts they touch.
 *
 * @throws ShardChainError `BAD_SETTING`
 */
export function generatedWorkload(options: GeneratorOptions, seed: number): Workload {
  checkGeneratorOptions(options);
  const contents = () => generate(options, createPrng(seed, "generated workload"));
  return {
    name: "generated",
    remarks: ["contract calls run a native stand-in, not contract code"],
    *genesis() {
      const prng = createPrng(seed, "underfunded accounts");
      for (const { address, balance } of fundingOf(contents())) {
        const isPoor = prng.chance(options.underfundedShare);
        yield { address, balance: isPoor ? balance / 2n : balance };
      }
    },
    *transactions() {
      for (const content of contents()) yield makeTransaction(content);
    },
  };
}

/** What the account at the centre of an episode does. */
type FocalRole = "pays" | "collects" | "isCalled";

interface Episode {
  readonly account: Address;
  readonly role: FocalRole;
  /** Share of the episode's transactions that the account takes part in. */
  readonly intensity: number;
}

function* generate(options: GeneratorOptions, prng: Prng): Generator<TransactionContent> {
  const cast = new Cast(options);
  const nonces = new NonceCounter();
  const episodes = prng.fork("episodes");
  const draws = prng.fork("transactions");
  let episode: Episode | undefined;
  for (let i = 0; i < options.transactions; i++) {
    if (i % options.episodeTransactions === 0) episode = cast.beginEpisode(episodes);
    yield drawTransaction(options, cast, episode as Episode, nonces, draws);
  }
}

type TailRole = "sender" | "receiver";

/** Draws that are remembered. Chosen: about a fifth of a block. */
const RECENT_ACCOUNTS = 64;

/** The accounts of a workload, by how often they are drawn. */
class Cast {
  readonly #head: RankSampler;
  readonly #contracts: RankSampler;
  readonly #options: GeneratorOptions;
  readonly #known = new Map<string, Address>();
  /** The newest draws from the tail, in rings: who was met comes again soon, or never. */
  readonly #recent: Record<TailRole, Address[]> = { sender: [], receiver: [] };
  readonly #recentAt: Record<TailRole, number> = { sender: 0, receiver: 0 };

  constructor(options: GeneratorOptions) {
    this.#options = options;
    this.#head = createZipf({
      count: options.headAccounts,
      exponent: options.zipfExponent,
      offset: options.zipfOffset,
    });
    this.#contracts = createZipf({
      count: options.contracts,
      exponent: options.contractZipfExponent,
    });
  }

  beginEpisode(prng: Prng): Episode {
    const { burstShare, payerShare, calledShare } = this.#options;
    const rank = this.#head.sample(prng);
    const kind = prng.fork(`role of ${rank}`).nextFloat();
    const role =
      kind < payerShare ? "pays" : kind < payerShare + calledShare ? "isCalled" : "collects";
    // The power of a uniform number that has the wanted mean: some episodes are all one account.
    const intensity = burstShare === 0 ? 0 : prng.nextFloat() ** (1 / burstShare - 1);
    return { account: this.#name("head", rank), role, intensity };
  }

  head(prng: Prng): Address {
    return this.#name("head", this.#head.sample(prng));
  }

  /** An account of the long tail: one met a moment ago, or most likely one never met before. */
  tail(prng: Prng, role: TailRole): Address {
    const recent = this.#recent[role];
    const repeats = recent.length > 0 && prng.chance(this.#options.repeatShare);
    const account = repeats
      ? prng.pick(recent)
      : addressOf(`${role} ${prng.nextInt(this.#options.tailAccounts)}`);
    recent[this.#recentAt[role]++ % RECENT_ACCOUNTS] = account;
    return account;
  }

  contract(prng: Prng): Address {
    if (prng.chance(this.#options.hotContractShare)) return this.#name("hot contract", 0);
    return this.#name("contract", this.#contracts.sample(prng));
  }

  #name(kind: string, rank: number): Address {
    const label = `${kind} ${rank}`;
    const known = this.#known.get(label) ?? addressOf(label);
    this.#known.set(label, known);
    return known;
  }
}

function drawTransaction(
  options: GeneratorOptions,
  cast: Cast,
  { account, role, intensity }: Episode,
  nonces: NonceCounter,
  prng: Prng,
): TransactionContent {
  const isFocal = prng.chance(intensity);
  const isCall = isFocal ? role === "isCalled" : prng.chance(options.callShare);
  const sender = isFocal && role === "pays" ? account : cast.tail(prng, "sender");
  const fee = logNormal(prng, options.feeWeiMedian, 0.5);
  const nonce = nonces.take(sender);
  if (!isCall) {
    const background = () =>
      prng.chance(options.headReceiverShare) ? cast.head(prng) : cast.tail(prng, "receiver");
    const to = isFocal && role === "collects" ? account : background();
    const amount = logNormal(prng, options.amountWeiMedian, 2);
    return {
      kind: "transfer",
      sender,
      nonce,
      fee,
      steps: move(sender, to, amount),
      paddingBytes: 0,
    };
  }
  const called = new Set<Address>([isFocal ? account : cast.contract(prng)]);
  const wanted = 1 + pickWeighted(prng, options.accountsPerCall);
  // A few draws may hit the same contract; a call then touches fewer.
  for (let i = 1; i < wanted; i++) called.add(cast.contract(prng));
  const steps: Step[] = [sender, ...called].map((address) => ({ op: "mix", address }));
  if (prng.chance(options.payingCallShare)) {
    const amount = logNormal(prng, options.amountWeiMedian, 2);
    steps.unshift(...move(sender, [...called][0] as Address, amount));
  }
  const paddingBytes = callDataBytes(prng, options.callDataBytesMean);
  return { kind: "standIn", sender, nonce, fee, steps, paddingBytes };
}

function move(from: Address, to: Address, amount: bigint): Step[] {
  return [
    { op: "debit", address: from, amount },
    { op: "credit", address: to, amount },
  ];
}

function logNormal(prng: Prng, median: number, sigma: number): bigint {
  return BigInt(Math.round(median * Math.exp(prng.normal(0, sigma))));
}

/** A selector of 4 bytes and a geometric number of words of 32, as Solidity's ABI has them. */
function callDataBytes(prng: Prng, meanBytes: number): number {
  const meanWords = Math.max(0, (meanBytes - 4) / 32);
  if (meanWords === 0) return Math.round(meanBytes);
  const words = Math.floor(Math.log(1 - prng.nextFloat()) / Math.log(meanWords / (1 + meanWords)));
  return 4 + 32 * words;
}

/** Index of a weight, each as likely as its weight. */
function pickWeighted(prng: Prng, weights: readonly number[]): number {
  let left = prng.nextFloat() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  return weights.length - 1;
}
