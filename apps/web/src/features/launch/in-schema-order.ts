import { experiments } from "@fmlab/registry";

/**
 * A config with its fields in the order of its schema, for reading: the database keeps JSON sorted
 * by the length of names. A config that its schema no longer knows stays as it is.
 */
export function inSchemaOrder(kind: string, config: unknown): unknown {
  const parsed = experiments.get(kind)?.config.strict().safeParse(config);
  return parsed?.success ? parsed.data : config;
}
