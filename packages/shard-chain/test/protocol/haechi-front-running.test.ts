import { describe, expect, it } from "vitest";
import { fairnessConfig } from "../../src/definitions/fairness.ts";
import { judgeAttacks } from "../../src/fairness-run/judge-attacks.ts";
import { buildScene } from "../../src/fairness-run/scene.ts";
import type { BeaconState } from "../../src/protocol/haechi-beacon.ts";
import type { Protocol } from "../../src/protocol/protocol.ts";
import { runDeployment } from "../../src/runtime/run-deployment.ts";
import { SMALL_PLAN } from "../runtime/small-deployment.ts";
import { LOCAL_ONLY } from "./local-only.ts";

describe("front-running", () => {
  const config = fairnessConfig.parse({ backgroundTransactions: 25, victims: 8, tps: 20 });

  it.each(["intra", "cross"] as const)("never succeeds (%s), whoever is slow", async (attack) => {
    const { settings, frontRunner, target } = buildScene(config, "haechi", attack, 3);
    const outcome = await runDeployment(settings, SMALL_PLAN);
    expect(outcome.failures).toEqual([]);
    const attacks = judgeAttacks(outcome, frontRunner.runs, target);
    expect(attacks).toHaveLength(8);
    expect(attacks.filter(({ succeeded }) => succeeded)).toEqual([]);
  });

  it.each(Object.entries(plantedFaults()))("is found where the protocol %s", async (_, plant) => {
    const { settings } = buildScene(config, "haechi", "intra", 3);
    const protocol = { ...settings.protocol, ...plant(settings.protocol) };
    const { failures } = await runDeployment({ ...settings, protocol }, SMALL_PLAN);
    expect(failures.map(({ oracle }) => oracle)).toContain("fairness");
  });
});

/** Haechi without one of the things that make it fair. */
function plantedFaults(): Record<string, (right: Protocol) => Partial<Protocol>> {
  return {
    "orders what has come without waiting for slower shards": (right) => ({
      onCrossMessage(chain, message, from) {
        right.onCrossMessage(chain, message, from);
        if (chain.chain.isShard) return;
        const { frontiers } = chain.state as BeaconState;
        const place = { timestampMs: 1e12, height: 0, index: 0 };
        for (let shard = 0; shard < chain.topology.shards; shard++) {
          frontiers.set(shard, { ...place, shard });
        }
      },
    }),
    "executes transactions within a shard at once": (right) => {
      const local = LOCAL_ONLY.create({} as Parameters<typeof LOCAL_ONLY.create>[0]);
      return {
        onTransaction(chain, transaction, index) {
          const { placement } = chain.topology;
          const { id } = chain.chain;
          const isLocal = transaction.steps.every(
            ({ address }) => placement.shardOf(address) === id,
          );
          (isLocal ? local : right).onTransaction(chain, transaction, index);
        },
      };
    },
  };
}
