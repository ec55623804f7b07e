import { readFileSync } from "node:fs";
import { type AnyExperiment, parseConfig, presetConfig } from "@fmlab/experiment";
import { usageError } from "../errors.ts";

/** The flags that make up a config: a preset or a file, then single fields. */
export interface ConfigOptions {
  preset?: string | undefined;
  config?: string | undefined;
  set: string[];
  /** Sizes with units, for experiments that have such budgets. */
  vram?: string | undefined;
  link?: string | undefined;
}

/** Flags that set one field, each with the field's name. */
const BUDGET_FLAGS = { vram: "vram", link: "linkSpeed" } as const;

/** True when single fields are changed, so that the config is no longer its preset's. */
export function changesFields({ link, set, vram }: ConfigOptions): boolean {
  return set.length > 0 || vram !== undefined || link !== undefined;
}

/**
 * The config a command was given: a preset or a file (JSON) or the defaults, then budgets, then
 * each `--set`.
 *
 * @throws RunnerError `USAGE`, ExperimentError `UNKNOWN_PRESET` | `BAD_CONFIG`
 */
export function readConfig(
  definition: AnyExperiment,
  options: ConfigOptions,
): Record<string, unknown> {
  if (options.preset !== undefined && options.config !== undefined) {
    throw usageError("give --preset or --config, not both");
  }
  const base = structuredClone(baseConfig(definition, options));
  setBudgets(definition, base, options);
  for (const assignment of options.set) setField(base, assignment);
  return parseConfig(definition, base);
}

function baseConfig(definition: AnyExperiment, options: ConfigOptions): Record<string, unknown> {
  if (options.preset !== undefined) return presetConfig(definition, options.preset);
  if (options.config === undefined) return parseConfig(definition, {});
  return readConfigFile(options.config);
}

function readConfigFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw usageError(`config file ${path} cannot be read: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw usageError(`config file ${path} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw usageError(`config file ${path} must hold one JSON object`);
  }
  return value as Record<string, unknown>;
}

function setBudgets(
  definition: AnyExperiment,
  config: Record<string, unknown>,
  options: ConfigOptions,
): void {
  for (const [flag, field] of Object.entries(BUDGET_FLAGS)) {
    const value = options[flag as keyof typeof BUDGET_FLAGS];
    if (value === undefined) continue;
    if (!Object.hasOwn(parseConfig(definition, {}), field)) {
      throw usageError(`--${flag} ${value}: ${definition.kind} has no such budget to set`);
    }
    config[field] = value;
  }
}

/** Sets `path=value`; the value is JSON where it can be read as such, otherwise text. */
function setField(config: Record<string, unknown>, assignment: string): void {
  const at = assignment.indexOf("=");
  const path = at < 0 ? "" : assignment.slice(0, at).trim();
  const parts = path.split(".");
  if (path === "" || parts.some((part) => part === "" || part === "__proto__")) {
    throw usageError(`--set ${assignment} must look like path=value, e.g. link.bandwidthMBps=200`);
  }
  const last = parts.pop() ?? "";
  let target: Record<string, unknown> = config;
  for (const part of parts) {
    if (!Object.hasOwn(target, part)) target[part] = {};
    const next = target[part];
    if (typeof next !== "object" || next === null) {
      throw usageError(`--set ${path}: ${part} is not an object, so nothing can be set in it`);
    }
    target = next as Record<string, unknown>;
  }
  target[last] = readValue(assignment.slice(at + 1));
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Seeds as `5` (that many, from 0) or `1,2,7`. */
export function parseSeeds(text: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  const numbers = parts.map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
  const wrong = numbers.some((n) => !Number.isSafeInteger(n));
  const [count] = numbers;
  if (wrong || count === undefined) {
    throw usageError(`--seeds ${text} must be a count, e.g. 5, or a list, e.g. 1,2,7`);
  }
  if (numbers.length > 1) return numbers;
  if (count < 1 || count > 1_000)
    throw usageError("--seeds: 1 to 1000 seeds can be launched at once");
  return Array.from({ length: count }, (_, seed) => seed);
}

/** A non-negative integer option. */
export function parseWhole(name: string, text: string, min = 0): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < min) {
    throw usageError(`${name} ${text} must be a whole number of at least ${min}`);
  }
  return value;
}
