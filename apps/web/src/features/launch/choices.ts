import type { Field } from "./form-fields.ts";

/** One of several values that a config may hold. */
export type Choice = string | number | boolean | null;

/** The options of a list whose items are choices, when a reader may check each once. */
export function choicesOf(field: Field & { type: "list" }, value: unknown): Choice[] | null {
  if (field.item.type !== "choice" || field.item.options.length < 2) return null;
  const { options } = field.item;
  const items = Array.isArray(value) ? (value as Choice[]) : [];
  const isSet = new Set(items).size === items.length && items.every((i) => options.includes(i));
  return isSet ? options : null;
}
