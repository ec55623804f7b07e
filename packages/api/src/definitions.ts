import { type AnyExperiment, ExperimentError, LIMITS, parseConfig } from "@fmlab/experiment";
import { type Needs, needsOf } from "./launch/machine-fit.ts";
import { assertLimit } from "./reports/store-report.ts";

type Experiments = ReadonlyMap<string, AnyExperiment>;

/** @throws ExperimentError `UNKNOWN_EXPERIMENT` */
export function requireExperiment(experiments: Experiments, kind: string): AnyExperiment {
  const found = experiments.get(kind);
  if (found !== undefined) return found;
  const known = [...experiments.keys()];
  throw new ExperimentError(
    `there is no experiment "${kind}" on this server; it has ${known.join(", ") || "none"}`,
    { code: "UNKNOWN_EXPERIMENT", kind, known },
  );
}

/** A config that may be launched: complete, and with what it needs. */
export interface CheckedConfig {
  config: Record<string, unknown>;
  needs: Needs;
}

/**
 * Parses a config and checks everything that does not depend on machines.
 *
 * @throws ExperimentError `BAD_CONFIG` | `FORBIDDEN_PATH`, ApiError `LIMIT_EXCEEDED`
 */
export function checkConfig(definition: AnyExperiment, input: unknown): CheckedConfig {
  const bytes = Buffer.byteLength(JSON.stringify(input ?? {}));
  assertLimit("bytes of config", LIMITS.configBytes, bytes);
  const config = parseConfig(definition, input);
  return { config, needs: needsOf(definition.requires(config)) };
}
