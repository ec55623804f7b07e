import { describe, expect, it } from "vitest";
import { makeTransaction, transfer } from "../../src/ledger/make-transaction.ts";
import type { Step } from "../../src/ledger/transaction.ts";
import type { ChainId } from "../../src/protocol/chain.ts";
import type { CrossMessage } from "../../src/protocol/cross-message.ts";
import type { CallListData, CrossLinkData } from "../../src/protocol/haechi-messages.ts";
import { emptyShard, type ShardState } from "../../src/protocol/haechi-shard.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import type { DeploymentSettings } from "../../src/runtime/world-settings.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";
import {
  callOf,
  check,
  deposit,
  genesis,
  observe,
  other,
  payee,
  payer,
  third,
  workloadOf,
} from "./haechi-calls.ts";

describe("a shard that is slow or idle", () => {
  it.each(["haechi", "haechi-sync"])("delays %s and changes no order", async (protocol) => {
    const options = { protocol, transactions: 80, tps: 60, seed: 5 };
    const pauseFactors = [1, 1, 6, 1];
    const fast = await runDeployment(smallDeployment(options), SMALL_PLAN);
    const skewed = smallDeployment({ ...options, deployment: { pauseFactors } });
    const slow = await runDeployment(skewed, SMALL_PLAN);
    for (const { failures, isDrained, verdicts } of [fast, slow]) {
      expect(failures).toEqual([]);
      expect(isDrained).toBe(true);
      expect(verdicts.find(({ oracle }) => oracle === "fairness")).toMatchObject({
        facts: { fairnessInversions: 0 },
      });
    }
    expect(slow.endMs).toBeGreaterThan(fast.endMs);
  });

  it("holds nobody up who has nothing to do with it", async () => {
    // Shards 1 and 2 never process anything.
    const pays = Array.from({ length: 30 }, (_, nonce) =>
      transfer({ sender: payer, nonce, fee: 1n }, other, 1n),
    );
    const settings = smallDeployment({ protocol: "haechi", workload: workloadOf(pays) });
    const { failures, isDrained, endMs } = await runDeployment(settings, SMALL_PLAN);
    expect(failures).toEqual([]);
    expect(isDrained).toBe(true);
    expect(endMs).toBeLessThan(5_000);
  });
});

it("leaves nothing behind of transactions that have ended, well or not", async () => {
  const options = { ...fittedOptions(150), tailAccounts: 40, underfundedShare: 0.3 };
  const workload = generatedWorkload({ ...options, accountsPerCall: [2, 1, 1] }, 9);
  const settings = smallDeployment({ protocol: "haechi", workload });
  const states: Record<string, unknown>[] = [];
  const protocol: Protocol = {
    ...settings.protocol,
    createState(chain, topology) {
      const state = settings.protocol.createState(chain, topology);
      states.push(state as Record<string, unknown>);
      return state;
    },
  };
  const world = { ...settings, protocol, checkedShare: 0 };
  const { failures, isDrained, summary } = await runDeployment(world, SMALL_PLAN);
  expect(failures).toEqual([]);
  expect(isDrained).toBe(true);
  expect(summary.failureRatio).toBeGreaterThan(0);
  for (const { frontiers: _, fresh: __, linksFrom: ___, ...rest } of states) {
    expect(rest).toEqual({ queued: [], ...empty() });
  }
});

describe("messages", () => {
  it("carry a block of more transactions than one message holds", async () => {
    const pays = Array.from({ length: 200 }, (_, nonce) =>
      transfer({ sender: payer, nonce, fee: 1n }, payee, 1n),
    );
    const workload = workloadOf(pays);
    const settings = smallDeployment({ protocol: "haechi", workload, tps: 100_000 });
    const { failures, isDrained } = await runDeployment(settings, SMALL_PLAN);
    expect(failures).toEqual([]);
    expect(isDrained).toBe(true);
  });

  it("leave with every block, whether it holds transactions, CallLists or nothing", async () => {
    const { settings, log } = watchMessages(smallDeployment({ protocol: "haechi", tps: 40 }));
    const { failures, heights } = await runDeployment(settings, SMALL_PLAN);
    expect(failures).toEqual([]);
    for (const shard of [0, 1, 2]) {
      const links = log.filter((one) => one.shard === shard && one.kind === "crossLink");
      const sentAt = new Set(links.map(({ height }) => height));
      expect(sentAt.size).toBe(heights[shard]);
    }
  });

  it("go in turns in lock-step: one block with CrossLinks after each CallList", async () => {
    const small = smallDeployment({ protocol: "haechi-sync", transactions: 60, tps: 10 });
    const { settings, log } = watchMessages(small);
    const pauseFactors = [1, 2, 0.5, 1];
    const { failures } = await runDeployment({ ...settings, pauseFactors }, SMALL_PLAN);
    expect(failures).toEqual([]);
    for (const shard of [0, 1, 2]) {
      const own = log.filter((one) => one.shard === shard);
      expect(own.length).toBeGreaterThan(10);
      for (const [i, { kind, height }] of own.entries()) {
        const before = own[i - 1];
        if (kind !== "crossLink" || before === undefined) continue;
        const isAfterList = before.kind === "callList";
        expect(height).toBe(isAfterList ? before.height + 1 : before.height);
      }
    }
  });

  it("let transactions wait in the mempool in lock-step, until a CallList comes", async () => {
    const settings = smallDeployment({ protocol: "haechi-sync", transactions: 60, tps: 10 });
    const right = settings.protocol;
    const wereWaiting: boolean[] = [];
    const protocol: Protocol = {
      ...right,
      onTransaction(chain, transaction, index) {
        wereWaiting.push(!Number.isFinite((chain.state as ShardState).linksFrom));
        right.onTransaction(chain, transaction, index);
      },
    };
    const world = { ...settings, protocol, checkedShare: 0 };
    const { failures } = await runDeployment(world, SMALL_PLAN);
    expect(failures).toEqual([]);
    expect(wereWaiting).toHaveLength(60);
    expect(wereWaiting).not.toContain(true);
  });

  it("of a sender whose money is promised leave it there: no fee is paid with it", async () => {
    // The payer's shard tells its values and takes the money a round later; meanwhile, at some
    // moment or other, the fee of a second transaction comes.
    const steps: Step[] = [
      { op: "debit", address: payer, amount: 90n },
      check(third),
      deposit(payee),
    ];
    const first = makeTransaction({ ...callOf(steps), fee: 10n });
    const second = makeTransaction({ ...callOf([observe(payer)]), nonce: 1, fee: 10n });
    const workload = { ...workloadOf([first, second]), genesis: () => genesis(100n) };
    let refusals = 0;
    for (let laterMs = 300; laterMs < 2_700; laterMs += 200) {
      const arrivals = [
        { transaction: first, intendedMs: 0 },
        { transaction: second, intendedMs: laterMs },
      ];
      const settings = smallDeployment({ protocol: "haechi", workload, deployment: { arrivals } });
      const { failures, deployment } = await runDeployment(settings, SMALL_PLAN);
      expect(failures).toEqual([]);
      const { balance } = deployment.ledgers()[0]?.account(payer) ?? {};
      // Either fee came first, and the first transaction fails, or it was refused.
      expect([0n, 80n]).toContain(balance);
      if (balance === 0n) refusals++;
    }
    expect(refusals).toBeGreaterThan(3);
  });
});

/** A shard's state when all is done. */
function empty(): Partial<ShardState> {
  const { linksFrom: _, ...rest } = emptyShard();
  return rest;
}

/** CrossLinks as shards send them and CallLists as they take them in, by shard. */
function watchMessages(settings: DeploymentSettings) {
  const log: { shard: ChainId; kind: string; height: number }[] = [];
  const right = settings.protocol;
  const protocol: Protocol = {
    ...right,
    onCrossMessage(chain, message, from) {
      right.onCrossMessage(chain, message, from);
      const { isLast } = message.data as Partial<CallListData & CrossLinkData>;
      if (message.kind === "callList" && isLast === true) {
        log.push({ shard: chain.chain.id, kind: message.kind, height: chain.height });
      }
    },
    onCommit(chain) {
      const watched = Object.create(chain, {
        send: {
          value: (to: ChainId, message: CrossMessage) => {
            chain.send(to, message);
            const { id: shard, isShard } = chain.chain;
            if (isShard) log.push({ shard, kind: message.kind, height: chain.height });
          },
        },
      });
      right.onCommit?.(watched);
    },
  };
  return { settings: { ...settings, protocol, checkedShare: 0 }, log };
}
