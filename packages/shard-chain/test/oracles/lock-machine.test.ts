import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { admit, executeTransaction } from "../../src/ledger/execution.ts";
import { genesisStates } from "../../src/ledger/genesis.ts";
import { checkAtomicity } from "../../src/oracles/atomicity.ts";
import { checkConservation, totalBalance } from "../../src/oracles/conservation.ts";
import { checkSerialisability } from "../../src/oracles/serialisability.ts";
import { modulo } from "../../src/placement/modulo.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { smallBank } from "../../src/workloads/smallbank.ts";
import type { Workload } from "../../src/workloads/workload.ts";
import { type Fault, LockMachine } from "./lock-machine.ts";

const SHARDS = 3;

function workloadOf(seed: number): Workload {
  if (seed % 2 === 0) {
    const options = { transactions: 60, customers: 6, zipfExponent: 0.8, initialWei: 150n };
    return smallBank(options, seed);
  }
  const options = {
    ...fittedOptions(60),
    contracts: 6,
    burstShare: 0,
    callShare: 0.7,
    accountsPerCall: [0, 0.5, 0.5],
    underfundedShare: 0.2,
  };
  return generatedWorkload(options, seed);
}

function judge(seed: number, fault?: Fault) {
  const workload = workloadOf(seed);
  const machine = new LockMachine(workload, SHARDS, createPrng(seed, "interleaving"), fault);
  const { history } = machine;
  const states = machine.finalStates();
  const sum = (all: readonly (typeof states)[number][]) =>
    all.reduce((total, state) => total + totalBalance(state), 0n);
  const totals = { genesis: sum(machine.genesis), now: sum(states) };
  const verdicts = {
    conservation: checkConservation(history, totals),
    atomicity: checkAtomicity(history, { isDrained: true }),
    serialisability: checkSerialisability(history),
  };
  const failed = Object.values(verdicts)
    .filter(({ passed }) => !passed)
    .map(({ oracle }) => oracle);
  return { workload, machine, states, failed, verdicts };
}

describe("oracles on a machine that runs transactions over shards", () => {
  it("are silent when it locks correctly, and then a serial run gives the same balances", () => {
    let crossed = 0;
    for (let seed = 0; seed < 12; seed++) {
      const { workload, machine, states, verdicts } = judge(seed);
      for (const verdict of Object.values(verdicts)) {
        expect(verdict.violations).toEqual([]);
      }
      const [single] = genesisStates(workload.genesis(), modulo(1));
      const draft = single?.draft();
      if (draft === undefined) throw new Error("one shard has one state");
      for (const { transaction, outcome } of machine.ended) {
        if (outcome === "commit")
          expect(executeTransaction(draft, transaction).status).toBe("done");
        else expect(admit(draft, transaction)).toBe(undefined);
        if (new Set(transaction.steps.map((step) => step.address)).size > 1) crossed++;
      }
      const serial = draft.commit();
      for (const { transaction } of machine.ended) {
        for (const { address } of transaction.steps) {
          const shard = states[modulo(SHARDS).shardOf(address)];
          expect(shard?.account(address)).toEqual(serial.account(address));
        }
      }
    }
    expect(crossed).toBeGreaterThan(300);
  });

  const planted: [Fault, string][] = [
    ["noLocks", "serialisability"],
    ["locksReleasedAfterEachHop", "serialisability"],
    ["undoForgotten", "serialisability"],
    ["undoForgotten", "conservation"],
    ["undoForgotten", "atomicity"],
    ["hopRunTwice", "conservation"],
    ["lastHopDropped", "conservation"],
    ["lastHopDropped", "atomicity"],
  ];
  it.each(planted)("find %s by %s", (fault, oracle) => {
    const found = Array.from({ length: 8 }, (_, seed) =>
      judge(seed, fault).failed.includes(oracle),
    );
    expect(found).toContain(true);
  });
});
