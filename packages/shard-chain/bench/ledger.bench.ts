/**
 * What one state update costs: transfers over many accounts, one root a block, one core.
 *
 *     npm run bench -- ledger [--accounts N] [--blocks N] [--transfers N] [--json]
 *
 * A million transactions over 16 shards in 5 minutes leave 300 us for all of a transaction; its
 * state updates (two accounts, and two locks taken and given back) must stay far below.
 */
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { addressOf } from "../src/ledger/address.ts";
import { executeTransaction } from "../src/ledger/execution.ts";
import { tryLock, unlock, wishesOf } from "../src/ledger/locks.ts";
import { transfer } from "../src/ledger/make-transaction.ts";
import { genesisState } from "../src/ledger/state.ts";
import { encodeStateProof } from "../src/ledger/state-proof.ts";
import { accountKey } from "../src/ledger/state-value.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    accounts: { type: "string", default: "62500" },
    blocks: { type: "string", default: "50" },
    transfers: { type: "string", default: "1000" },
  },
});
const accountCount = Number(values.accounts);
const blockCount = Number(values.blocks);
const transferCount = Number(values.transfers);
const prng = createPrng(1);
const accounts = Array.from({ length: accountCount }, (_, i) => addressOf(`account ${i}`));
const nonces = new Map<string, number>();

const { ms: genesisMs, result: genesis } = timed(() => {
  const state = genesisState(accounts.map((address) => [address, 10n ** 24n]));
  state.root;
  return state;
});
const { ms: makeMs, result: blocks } = timed(() =>
  Array.from({ length: blockCount }, () => Array.from({ length: transferCount }, makeTransfer)),
);
const plainMs = runBlocks(false);
const lockedMs = runBlocks(true);
const proofBytes = accounts.slice(0, 200).map((address) => genesis.prove(accountKey(address)));
const transactions = blockCount * transferCount;
const result = {
  accounts: accountCount,
  transactions,
  genesisUsPerAccount: (1000 * genesisMs) / accountCount,
  makeUsPerTransaction: (1000 * makeMs) / transactions,
  executeUsPerTransaction: (1000 * plainMs) / transactions,
  executeUsPerStateUpdate: (1000 * plainMs) / (2 * transactions),
  executeWithLocksUsPerTransaction: (1000 * lockedMs) / transactions,
  proofBytesMean:
    proofBytes.reduce((sum, proof) => sum + encodeStateProof(proof).length, 0) / proofBytes.length,
};
console.log(values.json ? JSON.stringify(result) : result);

function makeTransfer() {
  const sender = prng.pick(accounts);
  const nonce = nonces.get(sender) ?? 0;
  nonces.set(sender, nonce + 1);
  return transfer({ sender, nonce, fee: 1n }, prng.pick(accounts), 5n);
}

function runBlocks(withLocks: boolean): number {
  let state = genesis;
  return timed(() => {
    for (const block of blocks) {
      const draft = state.draft();
      for (const transaction of block) {
        const wishes = withLocks ? wishesOf(transaction, "write") : [];
        if (tryLock(draft, transaction.id, wishes).length > 0) throw new Error("locked");
        const { status } = executeTransaction(draft, transaction);
        if (status !== "done") throw new Error(`a transfer was ${status}`);
        if (withLocks)
          unlock(
            draft,
            transaction.id,
            wishes.map(({ address }) => address),
          );
      }
      state = draft.commit();
      state.root;
    }
  }).ms;
}

function timed<T>(work: () => T): { ms: number; result: T } {
  const from = performance.now();
  const result = work();
  return { ms: performance.now() - from, result };
}
