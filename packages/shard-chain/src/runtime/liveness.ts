import { Findings, type Verdict } from "../oracles/verdict.ts";
import type { Deployment } from "./deployment.ts";

/** Transactions named in a finding. */
const NAMED_MAX = 5;

/**
 * Liveness, looked at when the run is over and no fault acts any more: nothing may be in flight
 * while nothing ends, and every chain goes on making blocks.
 */
export function checkLiveness(deployment: Deployment, { stallMs }: { stallMs: number }): Verdict {
  const findings = new Findings();
  const { recorder, world } = deployment;
  const nowMs = world.simulation.nowMs();
  const idleMs = nowMs - recorder.lastEndMs;
  const { inFlightCount } = recorder;
  if (inFlightCount > 0 && idleMs > stallMs) {
    const names: string[] = [];
    for (const txId of recorder.inFlight()) {
      if (names.length === NAMED_MAX) break;
      names.push(txId);
    }
    findings.add(
      `${inFlightCount} transactions are in flight and none has ended for ` +
        `${Math.round(idleMs)} ms; ${deployment.pooledCount} of them wait in mempools`,
      names,
    );
  }
  deployment.lastBlockMs().forEach((blockMs, chain) => {
    if (nowMs - blockMs <= stallMs) return;
    const name = deployment.topology.chains[chain]?.name ?? String(chain);
    const height = deployment.heights()[chain];
    findings.add(
      `${name} has stood at height ${height} since ${Math.round(blockMs)} ms; it is ` +
        `${Math.round(nowMs)} ms now`,
      [],
    );
  });
  return findings.verdict("liveness", { inFlightCount });
}
