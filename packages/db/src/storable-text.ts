const UNPAIRED = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/**
 * Replaces what Postgres' text and jsonb cannot hold (NUL and unpaired surrogates) by U+FFFD, so
 * that a program that prints a broken character does not lose its whole batch.
 */
export function storableText(text: string): string {
  return text.replaceAll("\0", "\ufffd").replace(UNPAIRED, "\ufffd");
}

/**
 * `storableText` for every string and key of a JSON value. Numbers JSON cannot hold become null.
 */
export function storableJson(value: unknown): unknown {
  if (typeof value === "string") return storableText(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => storableJson(item) ?? null);
  if (typeof value !== "object" || value === null) return value ?? null;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  return Object.fromEntries(entries.map(([k, v]) => [storableText(k), storableJson(v)]));
}
