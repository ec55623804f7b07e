import { describe, expect, it } from "vitest";
import { makeTransaction } from "../../src/ledger/make-transaction.ts";
import type { Step } from "../../src/ledger/transaction.ts";
import type { ChainId } from "../../src/protocol/chain.ts";
import type { ChainContext } from "../../src/protocol/chain-context.ts";
import type { CrossMessage } from "../../src/protocol/cross-message.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import type { DeploymentSettings } from "../../src/runtime/world-settings.ts";
import { SMALL_PLAN, smallDeployment } from "../runtime/small-deployment.ts";
import {
  callOf,
  check,
  deposit,
  observe,
  other,
  payee,
  payer,
  third,
  workloadOf,
} from "./haechi-calls.ts";

describe("rounds of consensus until the last shard is done, the empty system's best case", () => {
  const debit: Step = { op: "debit", address: payer, amount: 10n };
  it.each([
    // processed, ordered, listed
    ["within a shard", 3, [debit, { op: "credit", address: other, amount: 10n }]],
    // processed, ordered, listed at the payer, paid
    ["to another shard", 4, [debit, { op: "credit", address: payee, amount: 10n }]],
    // ... and no more where three shards need each other's values
    ["over three shards", 4, [debit, observe(payee), check(third), observe(payer), deposit(payee)]],
  ] as [string, number, Step[]][])("%s: %i", async (_, rounds, steps) => {
    const { settled, failures } = await countRounds(steps);
    expect(failures).toEqual([]);
    expect(Math.max(...settled)).toBe(rounds);
  });
});

/** What follows from the transaction: how many blocks one after another each effect took. */
async function countRounds(steps: readonly Step[]) {
  const workload = workloadOf([makeTransaction(callOf(steps))]);
  const settings = smallDeployment({ protocol: "haechi", workload });
  const rounds = new Map<ChainId, number>();
  const sent = new WeakMap<CrossMessage, number>();
  const settled: number[] = [];
  const right = settings.protocol;
  const watch = (chain: ChainContext): ChainContext => {
    const round = () => rounds.get(chain.chain.id) ?? 0;
    const send = (to: ChainId, message: CrossMessage) => {
      sent.set(message, round());
      chain.send(to, message);
    };
    const record = new Proxy(chain.record, {
      get(target, name) {
        if (name === "settle") settled.push(round());
        return Reflect.get(target, name).bind(target);
      },
    });
    return Object.create(chain, { send: { value: send }, record: { value: record } });
  };
  const protocol: Protocol = {
    ...right,
    onTransaction(chain, transaction, index) {
      rounds.set(chain.chain.id, 1);
      right.onTransaction(watch(chain), transaction, index);
    },
    onCrossMessage(chain, message, from) {
      const before = sent.get(message) ?? 0;
      const now = rounds.get(chain.chain.id) ?? 0;
      if (before > 0) rounds.set(chain.chain.id, Math.max(now, before + 1));
      right.onCrossMessage(watch(chain), message, from);
    },
    onCommit: (chain) => right.onCommit?.(watch(chain)),
  };
  const world: DeploymentSettings = { ...settings, protocol, checkedShare: 0 };
  const { failures } = await runDeployment(world, SMALL_PLAN);
  return { settled, failures };
}
