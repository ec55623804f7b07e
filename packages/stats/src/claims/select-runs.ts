import { isDeepStrictEqual } from "node:util";
import type { Claim, RunGroup } from "@fmlab/experiment";
import type { RunFolder } from "./load-run-folders.ts";

/** The runs of one group, and why others that match it do not count. */
export interface SelectedRuns {
  runs: RunFolder[];
  /** e.g. `2 FAILED`, `1 simulated`, `3 of definition version 1`. */
  leftOut: string[];
  /** Config fields that differ within the group: its runs are then not one condition. */
  mixedFields: string[];
}

/**
 * Picks a group's runs: succeeded, of an accepted fidelity, of the newest definition version there
 * is.
 */
export function selectRuns(
  claim: Claim,
  group: RunGroup,
  folders: readonly RunFolder[],
): SelectedRuns {
  const matching = folders.filter(
    ({ record }) => record.kind === claim.runs.kind && isInGroup(record, group),
  );
  const newest = Math.max(
    ...folders
      .filter(({ record }) => record.kind === claim.runs.kind)
      .map(({ record }) => record.definitionVersion),
  );
  const reasons = new Map<string, number>();
  const runs = matching.filter(({ record }) => {
    const reason = reasonToLeaveOut(record, claim, newest);
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    return reason === undefined;
  });
  const leftOut = [...reasons].map(([reason, count]) => `${count} ${reason}`);
  return { runs, leftOut, mixedFields: differingFields(runs.map((run) => run.record.config)) };
}

function isInGroup(record: RunFolder["record"], group: RunGroup): boolean {
  return "preset" in group ? record.preset === group.preset : holds(record.config, group.config);
}

function reasonToLeaveOut(
  record: RunFolder["record"],
  claim: Claim,
  newest: number,
): string | undefined {
  if (record.state !== "SUCCEEDED") return record.state;
  if (!claim.runs.fidelity.includes(record.fidelity)) return record.fidelity;
  if (record.definitionVersion < newest) {
    return `of definition version ${record.definitionVersion}`;
  }
  return undefined;
}

/** True when `value` has every field of `part`, nested objects likewise. */
export function holds(value: unknown, part: unknown): boolean {
  if (!isObject(part)) return isDeepStrictEqual(value, part);
  if (!isObject(value)) return false;
  return Object.entries(part).every(
    ([name, inner]) => Object.hasOwn(value, name) && holds(value[name], inner),
  );
}

/** Dotted paths whose values are not the same in all configs. */
export function differingFields(configs: readonly unknown[]): string[] {
  const [first, ...others] = configs;
  if (!configs.every(isObject)) {
    return others.every((other) => isDeepStrictEqual(other, first)) ? [] : [""];
  }
  const names = [...new Set(configs.flatMap((config) => Object.keys(config)))].sort();
  return names.flatMap((name) =>
    differingFields(configs.map((config) => config[name])).map((rest) =>
      rest === "" ? name : `${name}.${rest}`,
    ),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
