import type { ConfigProblem } from "@fmlab/experiment";
import { isSameConfig } from "./config-values.ts";
import { countedSeeds, listedSeeds, type Seeds } from "./seeds.ts";

/** A saved config's revision that a draft starts from. */
export interface RevisionOrigin {
  id: string;
  name: string;
  number: number;
  config: unknown;
}

/** Where a draft comes from. */
export interface Origin {
  config: unknown;
  preset: string | null;
  revision: RevisionOrigin | null;
  /** The seed of a cloned run. */
  seed: number | null;
  /** In words, for a clone or a saved config. */
  label: string | null;
}

/** Everything beside the config that a launch decides; numbers as typed. */
export interface LaunchSettings {
  seedMode: "count" | "list";
  seedCount: string;
  firstSeed: string;
  seedList: string;
  repeats: string;
  priority: string;
  timeLimitMinutes: string;
  maxAttempts: string;
}

/** What a launch starts with (the server's own defaults). */
export function initialSettings(seed: number | null): LaunchSettings {
  return {
    seedMode: "count",
    seedCount: "1",
    firstSeed: String(seed ?? 0),
    seedList: String(seed ?? 0),
    repeats: "1",
    priority: "0",
    timeLimitMinutes: "60",
    maxAttempts: "3",
  };
}

export interface CheckedSettings {
  seeds: number[];
  repeats: number;
  priority: number;
  timeLimitSec: number;
  maxAttempts: number;
}

/** Reads the settings, or says what is wrong, by field. */
export function checkSettings(
  settings: LaunchSettings,
): { ok: true; value: CheckedSettings } | { ok: false; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const whole = (path: keyof LaunchSettings, title: string, low: number, high: number): number => {
    const text = settings[path].trim();
    const value = Number(text);
    if (text !== "" && Number.isInteger(value) && value >= low && value <= high) return value;
    problems.push({ path, message: `${title} is a whole number from ${low} to ${high}` });
    return low;
  };
  const seeds: Seeds =
    settings.seedMode === "count"
      ? countedSeeds(settings.seedCount, settings.firstSeed)
      : listedSeeds(settings.seedList);
  if ("problem" in seeds) problems.push({ path: "seeds", message: seeds.problem });
  const value = {
    seeds: "seeds" in seeds ? seeds.seeds : [],
    repeats: whole("repeats", "The number of repeats", 1, 1_000),
    priority: whole("priority", "The priority", -1_000, 1_000),
    timeLimitSec: 60 * whole("timeLimitMinutes", "The time limit", 1, 10_080),
    maxAttempts: whole("maxAttempts", "The number of attempts", 1, 10),
  };
  return problems.length === 0 ? { ok: true, value } : { ok: false, problems };
}

/**
 * Names what is launched: a saved revision or a preset while they are unchanged, else the config
 * itself.
 */
export function launchSource(
  config: unknown,
  preset: { name: string; config: unknown } | null,
  revision: RevisionOrigin | null,
): { configRevisionId: string } | { preset: string } | { config: Record<string, unknown> } {
  if (revision !== null && isSameConfig(config, revision.config)) {
    return { configRevisionId: revision.id };
  }
  if (preset !== null && isSameConfig(config, preset.config)) return { preset: preset.name };
  return { config: config as Record<string, unknown> };
}

/** Problems by dotted path; of several at one field the first is told. */
export function problemsByPath(problems: readonly ConfigProblem[]): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const { path, message } of problems) if (!map.has(path)) map.set(path, message);
  return map;
}
