/**
 * What a trade on the EVM exchange costs, with the turn-taking between the threads.
 *
 *     npm run bench -- ledger-evm [--trades N] [--json]
 */
import { parseArgs } from "node:util";
import { EvmRunner } from "../src/ledger/evm-runner.ts";
import { executeTransaction } from "../src/ledger/execution.ts";
import { genesisStates } from "../src/ledger/genesis.ts";
import { modulo } from "../src/placement/modulo.ts";
import { swaps } from "../src/workloads/swaps.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    trades: { type: "string", default: "5000" },
  },
});
const trades = Number(values.trades);
const contracts = await EvmRunner.create();
const workload = swaps(
  {
    transactions: trades,
    traders: 100,
    exchanges: 4,
    reserve: 10n ** 12n,
    largestTradeShare: 0.01,
    slippagePercent: 1,
  },
  1,
);
const [genesis] = genesisStates(workload.genesis(), modulo(1));
if (genesis === undefined) throw new Error("one shard has one state");
const draft = genesis.draft();
const transactions = [...workload.transactions()];
const WARM_UP = Math.min(200, trades >> 1);
run(transactions.slice(0, WARM_UP));
const from = performance.now();
const cpuFrom = process.cpuUsage();
run(transactions.slice(WARM_UP));
const usPerTrade = (1000 * (performance.now() - from)) / (trades - WARM_UP);
const { user, system } = process.cpuUsage(cpuFrom);
await contracts.close();
// On a busy machine the waiting for the other thread's turn outweighs the work by far.
const result = { trades, usPerTrade, cpuUsPerTrade: (user + system) / (trades - WARM_UP) };
console.log(values.json ? JSON.stringify(result) : result);

function run(some: typeof transactions): void {
  for (const transaction of some) {
    const { status, reason } = executeTransaction(draft, transaction, { contracts });
    if (status !== "done") throw new Error(`a trade was ${status}: ${reason}`);
  }
}
