import { existsSync, readFileSync } from "node:fs";
import type { CostTable } from "@fmlab/sim";
import { ShardChainError } from "../errors.ts";

/** What `fmlab calibrate` has written. */
export interface HostCosts {
  /** Processor that it was measured on. */
  readonly cpuModel: string;
  readonly nodeVersion: string;
  /** Day of the measurement, e.g. `2026-11-24`. */
  readonly measuredOn: string;
  /** ms an operation. */
  readonly costsMs: CostTable;
}

/**
 * The costs that were measured on this machine; undefined when nobody has. The platform names the
 * file in `FMLAB_COSTS`.
 *
 * @throws ShardChainError `BAD_BYTES` for a file that `fmlab calibrate` has not written
 */
export function hostCosts(file = process.env.FMLAB_COSTS): HostCosts | undefined {
  if (!file || !existsSync(file)) return undefined;
  const costs = parse(readFileSync(file, "utf8"));
  if (costs !== undefined) return costs;
  throw new ShardChainError(
    `${file} holds no costs of this machine; run \`fmlab calibrate\` to write it anew`,
    { code: "BAD_BYTES", what: "costs of this machine", problem: "not as they are written" },
  );
}

function parse(text: string): HostCosts | undefined {
  let value: Partial<HostCosts> | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { cpuModel, nodeVersion, measuredOn, costsMs } = value ?? {};
  const areTexts = [cpuModel, nodeVersion, measuredOn].every((one) => typeof one === "string");
  if (!areTexts || typeof costsMs !== "object" || costsMs === null) return undefined;
  const areCosts = Object.values(costsMs).every((ms) => Number.isFinite(ms) && ms >= 0);
  return areCosts ? (value as HostCosts) : undefined;
}
