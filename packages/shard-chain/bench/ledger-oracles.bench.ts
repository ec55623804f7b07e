/**
 * What the oracles cost on the record of a large run: generated transactions executed in order, two
 * parts each, recorded as a protocol records them, then judged.
 *
 *     npm run bench -- ledger-oracles [--transactions N] [--json]
 */
import { parseArgs } from "node:util";
import { admit, EMPTY_CARRY, runSteps } from "../src/ledger/execution.ts";
import { genesisStates } from "../src/ledger/genesis.ts";
import { accessSetOf } from "../src/ledger/transaction.ts";
import { checkAtomicity } from "../src/oracles/atomicity.ts";
import { checkConservation, totalBalance } from "../src/oracles/conservation.ts";
import { checkFairness } from "../src/oracles/fairness.ts";
import { RunHistory } from "../src/oracles/history.ts";
import { checkSerialisability } from "../src/oracles/serialisability.ts";
import type { Verdict } from "../src/oracles/verdict.ts";
import { modulo } from "../src/placement/modulo.ts";
import { generatedWorkload } from "../src/workloads/generated-workload.ts";
import { fittedOptions } from "../src/workloads/generator-options.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    transactions: { type: "string", default: "200000" },
  },
});
const count = Number(values.transactions);
const BLOCK = 1000;
const history = new RunHistory();
const seconds: Record<string, number> = {};
/** Everything alive after a stage: state, record, workload and cached paths. */
const liveBytes: Record<string, number> = {};
const workload = generatedWorkload(fittedOptions(count), 1);
const [genesis] = timed("genesis", () => genesisStates(workload.genesis(), modulo(1)));
if (genesis === undefined) throw new Error("one shard has one state");
const last = timed("generateExecuteRecord", run);
const verdicts: Verdict[] = [
  timed("conservation", () =>
    checkConservation(history, { genesis: totalBalance(genesis), now: totalBalance(last) }),
  ),
  timed("atomicity", () => checkAtomicity(history, { isDrained: true })),
  timed("serialisability", () => checkSerialisability(history)),
  timed("fairness", () => checkFairness(history)),
];
for (const { oracle, passed, violations } of verdicts) {
  if (!passed) throw new Error(`${oracle}: ${violations[0]?.what}`);
}
const result = {
  transactions: count,
  accesses: history.accesses.key.length,
  seconds,
  usPerTransaction: Object.fromEntries(
    Object.entries(seconds).map(([name, s]) => [name, (1e6 * s) / count]),
  ),
  liveBytesPerTransaction: Object.fromEntries(
    Object.entries(liveBytes).map(([name, bytes]) => [name, Math.round(bytes / count)]),
  ),
  rssMaxMB: process.resourceUsage().maxRSS / 1000,
};
console.log(values.json ? JSON.stringify(result) : result);

function run() {
  let state = genesis as NonNullable<typeof genesis>;
  let draft = state.draft();
  let index = 0;
  for (const transaction of workload.transactions()) {
    const { id, fee } = transaction;
    const height = Math.floor(index / BLOCK) + 1;
    history.begin(id, 2);
    const place = { timestampMs: height, shard: 0, height, index: index % BLOCK };
    history.process(id, place, height);
    if (admit(draft, transaction) !== undefined) throw new Error("refused");
    history.burn(fee);
    const range = { from: 0, to: transaction.steps.length };
    const outcome = runSteps(draft, transaction, range, EMPTY_CARRY);
    if (!outcome.ok) throw new Error(outcome.reason);
    const { reads, writes } = accessSetOf(transaction);
    for (const address of reads) history.read(id, address);
    for (const address of writes) history.write(id, address);
    history.move(id, -1n);
    history.move(id, 1n);
    history.settle(id, 0, 0, "commit");
    history.settle(id, 1, 0, "commit");
    history.finish(id, "commit");
    if (++index % BLOCK === 0) {
      state = draft.commit();
      state.root;
      draft = state.draft();
    }
  }
  return draft.commit();
}

function timed<T>(name: string, work: () => T): T {
  const from = performance.now();
  const result = work();
  seconds[name] = (performance.now() - from) / 1000;
  gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  liveBytes[name] = heapUsed + arrayBuffers;
  return result;
}
