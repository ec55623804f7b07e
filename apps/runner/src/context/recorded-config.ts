import { basename, dirname, isAbsolute } from "node:path";
import type { AnyExperiment } from "@fmlab/experiment";
import { z } from "zod";

/** A config as a run folder keeps it. */
export interface RecordedConfig {
  config: Record<string, unknown>;
  /** The absolute paths that were cut to their last part. */
  absoluteFiles: string[];
}

type JsonSchema = Record<string, unknown>;

/**
 * A config without absolute paths of this machine: the fields that name a file (`.meta({ file })`)
 * keep the base name of an absolute path. All else is kept to the letter, since a record with
 * another prompt would not tell how to reproduce its run.
 */
export function recordedConfig(
  definition: AnyExperiment,
  config: Record<string, unknown>,
): RecordedConfig {
  const schema = z.toJSONSchema(definition.config, { io: "input", unrepresentable: "any" });
  const absoluteFiles: string[] = [];
  const cut = (path: string): string => {
    absoluteFiles.push(path);
    return basename(path);
  };
  const recorded = walk(schema as JsonSchema, config, cut) as Record<string, unknown>;
  return { config: recorded, absoluteFiles };
}

/** The folders of files outside the known ones, by the name that logs and failures show. */
export function foldersOfFiles(files: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    files.flatMap((file) => [
      [dirname(file), "<path>"],
      [file, `<path>/${basename(file)}`],
    ]),
  );
}

function walk(schema: JsonSchema, value: unknown, cut: (path: string) => string): unknown {
  if (typeof value === "string") {
    return isFileField(schema) && isAbsolute(value) ? cut(value) : value;
  }
  if (Array.isArray(value)) {
    return value.map((entry) => walk(schemaOf(schema.items), entry, cut));
  }
  if (typeof value !== "object" || value === null) return value;
  const properties = schemaOf(schema.properties);
  const others = schemaOf(schema.additionalProperties);
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => {
      const own = Object.hasOwn(properties, name) ? schemaOf(properties[name]) : others;
      return [name, walk(own, entry, cut)];
    }),
  );
}

function isFileField(schema: JsonSchema): boolean {
  if (schema.file !== undefined) return true;
  const choices = schema.anyOf ?? schema.oneOf;
  return Array.isArray(choices) && choices.some((one) => isFileField(schemaOf(one)));
}

function schemaOf(value: unknown): JsonSchema {
  return typeof value === "object" && value !== null ? (value as JsonSchema) : {};
}
