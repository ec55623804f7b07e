import { describe, expect, it } from "vitest";
import { addressOf } from "../../src/ledger/address.ts";
import { mostActive } from "../../src/placement/brokers.ts";
import { PROTOCOLS } from "../../src/protocol/registry.ts";
import { type DeploymentOutcome, runDeployment } from "../../src/runtime/run-deployment.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { smallBank } from "../../src/workloads/smallbank.ts";
import type { Workload } from "../../src/workloads/workload.ts";
import { ycsb } from "../../src/workloads/ycsb.ts";
import { SMALL_PLAN, type SmallOptions, smallDeployment } from "../runtime/small-deployment.ts";

/** Every registered protocol runs through the same suite: a new one is here by being registered. */
const WORKLOADS: Record<string, (seed: number) => Workload> = {
  "generated transactions": (seed) =>
    generatedWorkload(
      { ...fittedOptions(120), tailAccounts: 60, accountsPerCall: [2, 1, 1] },
      seed,
    ),
  SmallBank: (seed) => smallBank({ transactions: 100, customers: 40, zipfExponent: 0.6 }, seed),
};

describe.each(PROTOCOLS.map(({ name }) => name))("%s", (protocol) => {
  it.each(Object.entries(WORKLOADS))("passes every oracle on %s", async (_, create) => {
    const outcome = await run(protocol, create(7), {});
    expectSound(outcome);
    // Over the whole run: a slow protocol has committed nothing yet when the last one arrives.
    const { meter } = outcome.deployment.recorder;
    expect(meter.summarise({ fromMs: 0, toMs: outcome.endMs }).committed).toBeGreaterThan(0);
  });

  it("passes every oracle where everybody wants the same accounts and nobody may wait", async () => {
    const workload = ycsb(
      {
        transactions: 80,
        records: 8,
        clients: 12,
        recordsPerTransaction: 3,
        writeShare: 0.6,
        zipfExponent: 0.5,
      },
      11,
    );
    const outcome = await run(protocol, workload, {}, { lockPolicy: "refuse" });
    expectSound(outcome);
  });

  it("loses and doubles nothing while validators crash and messages are lost", async () => {
    const workload = generatedWorkload({ ...fittedOptions(60), tailAccounts: 60 }, 3);
    const outcome = await run(protocol, workload, {
      crashes: [
        { chain: 0, validator: 1, atMs: 300, backMs: 6_000 },
        { chain: 1, validator: 2, atMs: 800 },
      ],
      networkFaults: [{ kind: "loss", startMs: 400, endMs: 3_000, probability: 0.2 }],
    });
    expectSound(outcome);
  });

  it("comes to the same states when everything is signed and executed by everybody", async () => {
    const workload = generatedWorkload({ ...fittedOptions(24), tailAccounts: 60 }, 5);
    const elided = await run(protocol, workload, {});
    const full = await run(protocol, workload, { signatures: "ed25519", execution: "every" });
    expect(full.stateRoots).toEqual(elided.stateRoots);
    expectSound(full);
  });
});

function run(
  protocol: string,
  workload: Workload,
  deployment: SmallOptions["deployment"],
  protocolSettings: SmallOptions["protocolSettings"] = {},
): Promise<DeploymentOutcome> {
  const chosen = mostActive(receiversOf(workload), 3);
  const brokers = chosen.length > 0 ? chosen : [addressOf("broker")];
  const settings = smallDeployment({
    protocol,
    workload,
    protocolSettings: { brokers, ...protocolSettings },
    deployment: { pauseFactors: [1, 1.7, 0.6, 1], ...deployment },
  });
  return runDeployment(settings, SMALL_PLAN);
}

function* receiversOf(workload: Workload) {
  for (const { steps } of workload.transactions()) {
    yield steps.flatMap((step) => (step.op === "credit" ? [step.address] : []));
  }
}

function expectSound({ failures, isDrained, verdicts }: DeploymentOutcome): void {
  const said = failures.map(({ oracle, violations }) => `${oracle}: ${violations[0]?.what}`);
  expect(said).toEqual([]);
  expect(isDrained).toBe(true);
  expect(verdicts.map(({ oracle }) => oracle)).toContain("liveness");
}
