import type { RunContext, Summary } from "@fmlab/experiment";
import { EvmRunner } from "../ledger/evm-runner.ts";
import { DEFAULT_COSTS } from "../runtime/costs.ts";
import { measureHost } from "./measure-host.ts";

/** Runs `shard-chain.calibrate`: its summary holds the cost table of this machine. */
export async function run(ctx: RunContext): Promise<Summary> {
  ctx.progress(0, 1, "measuring");
  const contracts = await EvmRunner.create();
  try {
    const costsMs = measureHost({ nowMs: () => ctx.nowMs() }, contracts);
    for (const [operation, ms] of Object.entries(costsMs)) {
      ctx.metric("costUs", 1_000 * ms, { operation });
    }
    ctx.series("costs", {
      kind: "table",
      columns: [
        { key: "operation", title: "Operation", type: "text" },
        { key: "us", title: "This machine, µs", type: "number" },
        { key: "referenceUs", title: "Reference, µs", type: "number" },
      ],
      rows: Object.entries(costsMs).map(([operation, ms]) => {
        const referenceMs = DEFAULT_COSTS[operation];
        const referenceUs = referenceMs === undefined ? null : 1_000 * referenceMs;
        return { operation, us: 1_000 * ms, referenceUs };
      }),
    });
    const { cpuModel, nodeVersion } = ctx.machine;
    const verifyUs = 1_000 * (costsMs.verify ?? Number.NaN);
    ctx.metric("verifyUs", verifyUs);
    return { cpuModel, nodeVersion, costsMs, verifyUs };
  } finally {
    await contracts.close();
  }
}
