/** One field of a config, as a person reads about it. */
export interface ConfigField {
  /** Dotted path, e.g. `link.bandwidthMBps`. */
  path: string;
  /**
   * What may be written, e.g. `integer 1..64`, `"lru" or "resident"`, `list of text`; `group` for
   * an object whose fields follow.
   */
  type: string;
  /** The default; undefined for a group and where the parent's default has no such field. */
  defaultValue: unknown;
  help: string;
}

type JsonSchema = Record<string, unknown>;

/**
 * Lists the fields of a config from its JSON schema, nested objects field by field.
 *
 * @param defaults the parsed config of `{}`
 */
export function listConfigFields(schema: JsonSchema, defaults: unknown): ConfigField[] {
  return fieldsOf(schema, defaults, "");
}

function fieldsOf(schema: JsonSchema, defaults: unknown, prefix: string): ConfigField[] {
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
  return Object.entries(properties).flatMap(([name, field]) => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const value = isObject(defaults) ? defaults[name] : undefined;
    const nested = field.properties === undefined ? [] : fieldsOf(field, value, path);
    const help = typeof field.description === "string" ? field.description : "";
    if (nested.length > 0 && help === "") return nested;
    if (nested.length > 0)
      return [{ path, type: "group", defaultValue: undefined, help }, ...nested];
    return [{ path, type: tellType(field), defaultValue: value, help }];
  });
}

/** The words for a JSON schema's type. */
export function tellType(schema: JsonSchema): string {
  const choices = (schema.anyOf ?? schema.oneOf) as JsonSchema[] | undefined;
  if (choices !== undefined) return choices.map(tellType).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((v) => JSON.stringify(v)).join(" or ");
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => tellType({ ...schema, type })).join(" or ");
  }
  switch (schema.type) {
    case "string":
      return `text${tellLength(schema, "minLength", "maxLength", "characters")}`;
    case "array":
      return tellList(schema);
    case "object":
      return tellObject(schema);
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    case "integer":
    case "number":
      return `${schema.type}${tellRange(schema)}`;
    default:
      return "any value";
  }
}

function tellList(schema: JsonSchema): string {
  const fixed = schema.prefixItems as JsonSchema[] | undefined;
  if (fixed !== undefined) return `[${fixed.map(tellType).join(", ")}]`;
  const item = isObject(schema.items) ? tellType(schema.items) : "any value";
  return `list of ${item}${tellLength(schema, "minItems", "maxItems", "items")}`;
}

function tellObject(schema: JsonSchema): string {
  if (isObject(schema.properties)) {
    const names = Object.entries(schema.properties)
      .map(([name, field]) => `${name}: ${tellType(field as JsonSchema)}`)
      .join(", ");
    return `{ ${names} }`;
  }
  return isObject(schema.additionalProperties)
    ? `map of text to ${tellType(schema.additionalProperties)}`
    : "object";
}

function tellRange(schema: JsonSchema): string {
  // zod writes the safe-integer range on every integer; it says nothing.
  const bound = (value: unknown) =>
    typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
  const low = bound(schema.minimum);
  const high = bound(schema.maximum);
  const above = bound(schema.exclusiveMinimum);
  const below = bound(schema.exclusiveMaximum);
  if (low !== undefined && high !== undefined) return ` ${low}..${high}`;
  const parts = [
    low === undefined ? undefined : `>= ${low}`,
    above === undefined ? undefined : `> ${above}`,
    high === undefined ? undefined : `<= ${high}`,
    below === undefined ? undefined : `< ${below}`,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? "" : ` ${parts.join(", ")}`;
}

function tellLength(schema: JsonSchema, min: string, max: string, unit: string): string {
  const low = schema[min];
  const high = schema[max];
  if (low === undefined && high === undefined) return "";
  return ` (${low ?? 0}..${high ?? "any number of"} ${unit})`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
