import { type CostTable, createPrng, measureCost } from "@fmlab/sim";
import { aggregateBls, BLS } from "../crypto/bls.ts";
import { calibrateCrypto } from "../crypto/calibrate.ts";
import { type Address, addressOf } from "../ledger/address.ts";
import type { ContractRunner } from "../ledger/contract-runner.ts";
import { executeTransaction } from "../ledger/execution.ts";
import { genesisStates } from "../ledger/genesis.ts";
import { sha256 } from "../ledger/hash.ts";
import { decodeTransaction, encodeTransaction, transfer } from "../ledger/make-transaction.ts";
import { genesisState, type LedgerState } from "../ledger/state.ts";
import { verifyKey } from "../ledger/state-proof.ts";
import { accountKey, EMPTY_ACCOUNT } from "../ledger/state-value.ts";
import { compareProcessed } from "../oracles/processing-order.ts";
import { modulo } from "../placement/modulo.ts";
import { messageText } from "../protocol/cross-message.ts";
import { swaps } from "../workloads/swaps.ts";

/** A machine's monotonic clock. */
export interface HostClock {
  nowMs(): number;
}

/** How much is measured; less only for tests. */
export interface MeasureOptions {
  /** Operations of a batch of the cheap kinds. */
  readonly batchSize?: number;
  /** Accounts of the state that is measured on. */
  readonly accounts?: number;
}

/** Accounts of the state that is measured on: a sixteenth of a million. */
const ACCOUNTS = 62_500;
/** Accounts that a measured block touches: about a block of 500 transfers. */
const TOUCHED = 1_000;
/** Votes of a committee of 16. */
const BLS_VOTES = 11;
const SENDER_WEI = 10n ** 24n;

/**
 * Measures on this machine what nodes charge for, ms an operation on one core: the cost table of
 * virtual time. Run it on a quiet machine, once.
 *
 * @param contracts runs the exchange contract for `evm-call`
 */
export function measureHost(
  clock: HostClock,
  contracts: ContractRunner,
  { batchSize = 2_000, accounts = ACCOUNTS }: MeasureOptions = {},
): CostTable {
  const few = Math.max(2, Math.floor(batchSize / 20));
  return {
    ...calibrateCrypto(clock, few),
    ...measureBls(clock, Math.max(1, Math.floor(few / 10))),
    ...measureLedger(clock, batchSize, accounts),
    "evm-call": measureCalls(clock, contracts, few),
  };
}

function measureBls(clock: HostClock, batchSize: number): CostTable {
  const votes = Array.from({ length: BLS_VOTES }, (_, i) => {
    const signer = BLS.createSigner(new Uint8Array(32).fill(i + 1));
    const statement = `shard-0|precommit|123456|0|${"ab".repeat(32)}|-1|1234567.891|${i}`;
    return { publicKey: signer.publicKey, statement, signature: signer.sign(statement), signer };
  });
  const [first] = votes as [(typeof votes)[number]];
  const { signer, publicKey, statement, signature } = first;
  const measure = (run: () => void) => measureCost(run, clock, { batchSize });
  return {
    "bls-sign": measure(() => signer.sign(statement)),
    "bls-verify": measure(() => BLS.verify(publicKey, statement, signature)),
    /** One vote of a certificate that is checked as a whole. */
    "bls-verify-in-certificate": measure(() => BLS.verifyAll?.(votes)) / BLS_VOTES,
    "bls-aggregate": measure(() => aggregateBls(votes.map((vote) => vote.signature))) / BLS_VOTES,
  };
}

function measureLedger(clock: HostClock, batchSize: number, count: number): CostTable {
  const prng = createPrng(1, "calibration");
  const accounts = Array.from({ length: count }, (_, i) => addressOf(`account ${i}`));
  const state = genesisState(accounts.map((address) => [address, SENDER_WEI]));
  const root = state.root;
  const measure = (run: () => void, size = batchSize) =>
    measureCost(run, clock, { batchSize: size });
  const bytes = new Uint8Array(64);
  const encoded = encodeTransaction(
    transfer({ sender: accounts[0] as Address, nonce: 0, fee: 1n }, accounts[1] as Address, 5n),
  );
  const message = { kind: "credit", transaction: decodeTransaction(encoded) };
  const key = accountKey(accounts[7] as Address);
  const proof = state.prove(key);
  const places = Array.from({ length: TOUCHED }, (_, index) => {
    return { timestampMs: prng.nextInt(100), shard: prng.nextInt(16), height: 1, index };
  });
  const transferMs = measureTransfer(clock, state, accounts, batchSize);
  return {
    hash: measure(() => sha256(bytes)),
    transaction: measure(() => decodeTransaction(encoded)),
    message: measure(() => messageText(message)),
    transfer: transferMs,
    // A transfer is a debit and a credit.
    step: transferMs / 2,
    update: measureUpdate(clock, state, accounts),
    proof: measure(() => verifyKey(root, key, proof)),
    order: measure(() => [...places].sort(compareProcessed), 5) / TOUCHED,
  };
}

function measureTransfer(
  clock: HostClock,
  state: LedgerState,
  accounts: readonly Address[],
  batchSize: number,
): number {
  const [sender, receiver] = accounts as [Address, Address];
  const batches = 5;
  // One more for the batch that warms up.
  const transfers = Array.from({ length: (batches + 1) * batchSize }, (_, nonce) =>
    transfer({ sender, nonce, fee: 1n }, receiver, 5n),
  );
  const draft = state.draft();
  let next = 0;
  const run = () => {
    const transaction = transfers[next++];
    if (transaction !== undefined) executeTransaction(draft, transaction);
  };
  return measureCost(run, clock, { batches, batchSize });
}

/** State root per touched account: a block's writes, committed and hashed, over their number. */
function measureUpdate(clock: HostClock, state: LedgerState, accounts: readonly Address[]): number {
  let balance = 1n;
  const run = () => {
    const draft = state.draft();
    balance++;
    for (let i = 0; i < TOUCHED; i++) {
      const address = accounts[(i * 61) % accounts.length] as Address;
      draft.set(accountKey(address), { ...EMPTY_ACCOUNT, balance });
    }
    draft.commit().root;
  };
  return measureCost(run, clock, { batchSize: 2 }) / TOUCHED;
}

/** A trade on an exchange contract, with the turns that the threads take. */
function measureCalls(clock: HostClock, contracts: ContractRunner, batchSize: number): number {
  const batches = 3;
  const workload = swaps(
    {
      transactions: (batches + 1) * batchSize,
      traders: 100,
      exchanges: 4,
      reserve: 10n ** 12n,
      largestTradeShare: 0.01,
      slippagePercent: 1,
    },
    1,
  );
  const [genesis] = genesisStates(workload.genesis(), modulo(1)) as [LedgerState];
  const draft = genesis.draft();
  const trades = workload.transactions()[Symbol.iterator]();
  const run = () => {
    const next = trades.next();
    if (!next.done) executeTransaction(draft, next.value, { contracts });
  };
  return measureCost(run, clock, { batches, batchSize });
}
