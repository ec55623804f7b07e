import type { Address } from "../ledger/address.ts";
import { closePurse, EMPTY_CARRY, type ExecutionContext, runSteps } from "../ledger/execution.ts";
import type { GenesisAccount } from "../ledger/genesis.ts";
import { accountIn, type LedgerState, type StateView, storeIn } from "../ledger/state.ts";
import {
  accountKey,
  codeKey,
  EMPTY_ACCOUNT,
  type StateKey,
  type StateValue,
} from "../ledger/state-value.ts";
import type { Transaction, TransactionId } from "../ledger/transaction.ts";
import { buildDependencies } from "./dependencies.ts";
import type { DependencyGraph } from "./dependency-graph.ts";
import { OUTCOME, type RunHistory } from "./history.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** What a replay needs beside the record. */
export interface ReplayParts {
  readonly genesis: Iterable<GenesisAccount>;
  /** Every transaction of the run. */
  readonly transactions: ReadonlyMap<TransactionId, Transaction>;
  /** What each sender has paid in fees, wei. */
  readonly feesPaid: ReadonlyMap<Address, bigint>;
  /** The shards' states at the end; nothing may be in flight. */
  readonly ledgers: readonly LedgerState[];
  readonly execution: ExecutionContext;
}

/**
 * The naive reference: one ledger, no shards, no locks. It executes the committed transactions one
 * by one, in an order that the recorded dependencies allow, and must come to the same balances and
 * words as all shards together. Says nothing where dependencies go in circles: that is what
 * `checkSerialisability` is for.
 */
export function checkReplay(history: RunHistory, parts: ReplayParts): Verdict {
  const findings = new Findings();
  const order = serialOrder(buildDependencies(history, new Findings()), history);
  if (order === undefined) return findings.verdict("replay", { replayed: 0 });
  const values = genesisValues(parts.genesis);
  const view: StateView = {
    get: (key) => values.get(key),
    set: (key, value) => {
      if (value === undefined) values.delete(key);
      else values.set(key, value);
    },
  };
  for (const number of order) {
    const txId = history.transactions.nameOf(number);
    const transaction = parts.transactions.get(txId);
    if (transaction === undefined) {
      findings.add(`${txId} was committed, but no client has sent it`, [txId]);
      continue;
    }
    const range = { from: 0, to: transaction.steps.length };
    const outcome = closePurse(runSteps(view, transaction, range, EMPTY_CARRY, parts.execution));
    if (!outcome.ok) {
      findings.add(`${txId} was committed, but alone on one ledger: ${outcome.reason}`, [txId]);
    }
  }
  compareAccounts(findings, values, parts);
  return findings.verdict("replay", { replayed: order.length });
}

/** Committed transactions, each after all it depends on; undefined when they go in circles. */
function serialOrder(graph: DependencyGraph, history: RunHistory): number[] | undefined {
  const { starts, edges } = graph.outgoing();
  const waits = new Int32Array(graph.nodeCount);
  for (const to of graph.to.view()) waits[to] = (waits[to] as number) + 1;
  const ready: number[] = [];
  for (let node = 0; node < graph.nodeCount; node++) if (waits[node] === 0) ready.push(node);
  for (let at = 0; at < ready.length; at++) {
    const node = ready[at] as number;
    for (let edge = starts[node] as number; edge < (starts[node + 1] as number); edge++) {
      const to = graph.to.at(edges[edge] as number);
      waits[to] = (waits[to] as number) - 1;
      if (waits[to] === 0) ready.push(to);
    }
  }
  if (ready.length < graph.nodeCount) return undefined;
  return ready.filter((node) => history.outcomes[node] === OUTCOME.commit);
}

function genesisValues(accounts: Iterable<GenesisAccount>): Map<StateKey, StateValue> {
  const values = new Map<StateKey, StateValue>();
  const view = {
    get: (key: StateKey) => values.get(key),
    set: (key: StateKey, value: StateValue | undefined) => {
      if (value !== undefined) values.set(key, value);
    },
  };
  for (const { address, balance, code, storage } of accounts) {
    const before = accountIn(view, address).balance;
    values.set(accountKey(address), { ...EMPTY_ACCOUNT, balance: before + balance });
    if (code !== undefined) values.set(codeKey(address), { kind: "bytes", bytes: code });
    for (const [slot, word] of storage ?? []) storeIn(view, address, slot, word);
  }
  return values;
}

function compareAccounts(
  findings: Findings,
  values: ReadonlyMap<StateKey, StateValue>,
  { ledgers, feesPaid }: ReplayParts,
): void {
  const keys = new Set<Address>();
  for (const key of values.keys()) if (key.startsWith("a")) keys.add(key.slice(1) as Address);
  for (const address of keys) {
    const alone = accountIn(values, address);
    const shares = ledgers.map((ledger) => ledger.account(address));
    const balance = shares.reduce((sum, share) => sum + share.balance, 0n);
    const expected = alone.balance - (feesPaid.get(address) ?? 0n);
    if (balance !== expected) {
      findings.add(`${address} holds ${balance} wei on the shards, ${expected} on one ledger`, []);
    }
    if (!shares.some(({ word }) => word === alone.word)) {
      findings.add(`${address} has another word on its shard than on one ledger`, []);
    }
  }
}
