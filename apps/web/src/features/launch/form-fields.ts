import { humanise, singular } from "./humanise.ts";

/** What a form shows for one part of a config. Made from a JSON schema by `fieldOf`. */
export type Field = FieldBase &
  (
    | { type: "number"; integer: boolean; min: number | null; max: number | null }
    | { type: "text"; multiline: boolean; maxLength: number | null }
    | { type: "boolean" }
    | { type: "choice"; options: (string | number | boolean | null)[] }
    | { type: "group"; fields: Field[] }
    | { type: "list"; item: Field; minItems: number; maxItems: number | null }
    /** One of several shapes, told apart by the constant value of one property. */
    | {
        type: "variant";
        tag: string;
        variants: { value: string; group: Field & { type: "group" } }[];
      }
    /** A value that may also be null. */
    | { type: "optional"; inner: Field }
    /** Anything a form has no better field for: edited as JSON. */
    | { type: "json" }
  );

interface FieldBase {
  /** Its own property name; empty for the root and for a list's items. */
  name: string;
  title: string;
  unit: string;
  help: string;
  /** The bounds in words, e.g. `1 to 64`; empty without any. */
  bounds: string;
  /** What the field starts with when it is added. */
  initial: unknown;
}

export type JsonSchema = { [key: string]: unknown };

/** A list of fields for a config's schema. */
export function fieldsOf(schema: JsonSchema): Field[] {
  const root = fieldOf(schema, "");
  return root.type === "group" ? root.fields : [root];
}

/** The field for one schema node. */
export function fieldOf(schema: JsonSchema, name: string): Field {
  const { title, unit } = humanise(name);
  const base: FieldBase = {
    name,
    title: text(schema.title) || title,
    unit,
    help: text(schema.description),
    bounds: boundsOf(schema),
    initial: initialOf(schema),
  };
  const options = optionsOf(schema);
  if (options !== null) return { ...base, type: "choice", options };
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) return alternativeField(base, alternatives);
  switch (schema.type) {
    case "integer":
    case "number":
      return {
        ...base,
        type: "number",
        integer: schema.type === "integer",
        min: bound(schema.minimum) ?? bound(schema.exclusiveMinimum),
        max: bound(schema.maximum) ?? bound(schema.exclusiveMaximum),
      };
    case "string":
      return {
        ...base,
        type: "text",
        multiline: isMultiline(schema, name),
        maxLength: bound(schema.maxLength),
      };
    case "boolean":
      return { ...base, type: "boolean" };
    case "object":
      return isObject(schema.properties)
        ? {
            ...base,
            type: "group",
            fields: Object.entries(schema.properties).map(([key, child]) =>
              fieldOf(isObject(child) ? child : {}, key),
            ),
          }
        : { ...base, type: "json" };
    case "array":
      return isObject(schema.items)
        ? {
            ...base,
            type: "list",
            item: fieldOf(schema.items, singular(name)),
            minItems: bound(schema.minItems) ?? 0,
            maxItems: bound(schema.maxItems),
          }
        : { ...base, type: "json" };
    default:
      return { ...base, type: "json" };
  }
}

function alternativeField(base: FieldBase, alternatives: JsonSchema[]): Field {
  const real = alternatives.filter((schema) => schema.type !== "null");
  const [only] = real;
  if (real.length === 1 && only !== undefined) {
    const inner = fieldOf(only, base.name);
    const help = base.help || inner.help;
    return { ...base, help, bounds: inner.bounds, type: "optional", inner: { ...inner, help } };
  }
  const tag = tagOf(real);
  if (tag === null || real.length !== alternatives.length) return { ...base, type: "json" };
  const variants = real.map((schema) => {
    const group = fieldOf(schema, base.name) as Field & { type: "group" };
    const fields = group.fields.filter((field) => field.name !== tag);
    return { value: String(constOf(schema, tag)), group: { ...group, fields } };
  });
  return { ...base, type: "variant", tag, variants };
}

/** The property that holds a different constant in every alternative, or null. */
function tagOf(alternatives: JsonSchema[]): string | null {
  const first = alternatives[0];
  if (first === undefined || !isObject(first.properties)) return null;
  for (const key of Object.keys(first.properties)) {
    const values = alternatives.map((schema) => constOf(schema, key));
    const told = values.every((value) => typeof value === "string");
    if (told && new Set(values).size === values.length) return key;
  }
  return null;
}

function constOf(schema: JsonSchema, key: string): unknown {
  const properties = isObject(schema.properties) ? schema.properties : {};
  const property = properties[key];
  return isObject(property) ? property.const : undefined;
}

function optionsOf(schema: JsonSchema): (string | number | boolean | null)[] | null {
  if (schema.const !== undefined) return [schema.const as string];
  if (Array.isArray(schema.enum)) return schema.enum as string[];
  const alternatives = alternativesOf(schema);
  const constants = alternatives.map((a) => (a.type === "null" ? null : a.const));
  const all = alternatives.length > 1 && constants.every((value) => value !== undefined);
  return all ? (constants as (string | null)[]) : null;
}

/** The value a new list item or another variant starts with. */
export function initialOf(schema: JsonSchema): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  const alternatives = alternativesOf(schema);
  if (alternatives.length > 0) return alternatives.map(initialOf).find((v) => v !== null) ?? null;
  switch (schema.type) {
    case "integer":
    case "number":
      return bound(schema.minimum) ?? 0;
    case "string":
      return "";
    case "boolean":
      return false;
    case "array":
      return [];
    case "object":
      return Object.fromEntries(
        Object.entries(isObject(schema.properties) ? schema.properties : {}).map(([key, child]) => [
          key,
          initialOf(isObject(child) ? child : {}),
        ]),
      );
    default:
      return null;
  }
}

/** A number's bounds in words. Limits on lengths are told only where they are broken. */
function boundsOf(schema: JsonSchema): string {
  const low = bound(schema.minimum);
  const high = bound(schema.maximum);
  const above = bound(schema.exclusiveMinimum);
  const below = bound(schema.exclusiveMaximum);
  const tell = (n: number) => n.toLocaleString("en-US", { maximumFractionDigits: 12 });
  if (low !== null && high !== null) return `${tell(low)} to ${tell(high)}`;
  const parts = [
    low === null ? "" : `at least ${tell(low)}`,
    above === null ? "" : `more than ${tell(above)}`,
    high === null ? "" : `at most ${tell(high)}`,
    below === null ? "" : `less than ${tell(below)}`,
  ].filter((part) => part !== "");
  return parts.join(", ");
}

/** The shapes a value may have, when it may have several. */
function alternativesOf(schema: JsonSchema): JsonSchema[] {
  const { default: _, ...rest } = schema;
  if (Array.isArray(schema.type)) return schema.type.map((type: unknown) => ({ ...rest, type }));
  return objects(schema.anyOf ?? schema.oneOf);
}

/** A bound that says something: zod writes the safe-integer range on every integer. */
function bound(value: unknown): number | null {
  return typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : null;
}

function isMultiline(schema: JsonSchema, name: string): boolean {
  if (typeof schema.multiline === "boolean") return schema.multiline;
  return /(prompt|text|note)s?$/i.test(name) || (text(schema.default).match(/\n/) ?? []).length > 0;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

const objects = (value: unknown): JsonSchema[] =>
  Array.isArray(value) ? value.filter(isObject) : [];

function isObject(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
