import { experiments } from "@fmlab/registry";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { choicesOf } from "../src/features/launch/choices.ts";
import {
  type Field,
  fieldOf,
  fieldsOf,
  type JsonSchema,
} from "../src/features/launch/form-fields.ts";

const fieldsFor = (schema: z.ZodType): Field[] =>
  fieldsOf(z.toJSONSchema(schema, { io: "input" }) as JsonSchema);
const only = (schema: z.ZodType, name = "value"): Field =>
  fieldOf(z.toJSONSchema(schema, { io: "input" }) as JsonSchema, name);

describe("fields of a schema", () => {
  it("gives a number its bounds and its unit, and hides the bounds that zod puts on every integer", () => {
    const [budget, tokens] = fieldsFor(
      z.object({
        budgetMiB: z.number().positive().max(1024).default(6.5).describe("Memory."),
        maxTokens: z.int().default(3),
      }),
    );
    expect(budget).toMatchObject({
      type: "number",
      title: "Budget",
      unit: "MiB",
      help: "Memory.",
      bounds: "more than 0, at most 1,024",
      initial: 6.5,
    });
    expect(tokens).toMatchObject({ type: "number", integer: true, bounds: "", min: null });
  });

  it("makes choices of enums, booleans of booleans and nested groups of objects", () => {
    const [policy, link] = fieldsFor(
      z.object({
        policy: z.enum(["lru", "all"]).default("lru"),
        link: z.object({ on: z.boolean().default(true) }).prefault({}),
      }),
    );
    expect(policy).toMatchObject({ type: "choice", options: ["lru", "all"] });
    expect(link).toMatchObject({ type: "group", fields: [{ type: "boolean", name: "on" }] });
  });

  it("makes lists with a singular item and prompts of several lines", () => {
    const list = only(z.array(z.string().max(9)).min(1).max(4), "prompts");
    expect(list).toMatchObject({
      type: "list",
      minItems: 1,
      maxItems: 4,
      item: { type: "text", multiline: true, title: "Prompt" },
    });
  });

  it("tells small bounds in full", () => {
    expect(only(z.number().min(0.0001).max(0.4)).bounds).toBe("0.0001 to 0.4");
  });

  it("offers a list of choices as check boxes while each occurs once", () => {
    const list = only(z.array(z.enum(["lru", "fate", "all"])), "policies");
    if (list.type !== "list") throw new Error("policies are a list");
    expect(choicesOf(list, ["fate", "lru"])).toEqual(["lru", "fate", "all"]);
    expect(choicesOf(list, [])).toEqual(["lru", "fate", "all"]);
    expect(choicesOf(list, ["lru", "lru"])).toBeNull();
    expect(choicesOf(list, ["gone"])).toBeNull();
    const numbers = only(z.array(z.number()), "sizes");
    expect(numbers.type === "list" && choicesOf(numbers, [])).toBeNull();
  });

  it("names one item of a list by the singular of its last word, whatever its unit", () => {
    const itemOf = (name: string) => {
      const list = only(z.array(z.number()), name);
      return list.type === "list" ? [list.item.title, list.item.unit] : [];
    };
    expect(itemOf("strategies")).toEqual(["Strategy", ""]);
    expect(itemOf("policies")).toEqual(["Policy", ""]);
    expect(itemOf("budgetsMiB")).toEqual(["Budget", "MiB"]);
    expect(itemOf("budgetsPercent")).toEqual(["Budget", "%"]);
    expect(itemOf("bandwidthsMBps")).toEqual(["Bandwidth", "MB/s"]);
    expect(itemOf("promptTokens")).toEqual(["Prompt token", ""]);
  });

  it("lets a nullable value be left out and tells variants apart by their constant", () => {
    expect(only(z.number().nullable())).toMatchObject({
      type: "optional",
      inner: { type: "number" },
    });
    const shape = only(
      z.discriminatedUnion("kind", [
        z.object({ kind: z.literal("a"), size: z.number().default(2) }),
        z.object({ kind: z.literal("b") }),
      ]),
    );
    expect(shape).toMatchObject({
      type: "variant",
      tag: "kind",
      variants: [
        { value: "a", group: { fields: [{ name: "size" }], initial: { kind: "a", size: 2 } } },
        { value: "b", group: { fields: [] } },
      ],
    });
  });

  it("falls back to JSON for what has no field of its own", () => {
    expect(only(z.record(z.string(), z.number())).type).toBe("json");
    expect(only(z.union([z.string(), z.number()])).type).toBe("json");
  });

  it("has a field for every leaf of every registered experiment's config, none of them as raw JSON", () => {
    for (const definition of experiments.values()) {
      const leaves = (fields: Field[]): Field[] =>
        fields.flatMap((field) => (field.type === "group" ? leaves(field.fields) : [field]));
      const fields = fieldsFor(definition.config);
      expect(fields.map((field) => field.name)).toEqual(Object.keys(definition.config.shape));
      for (const field of leaves(fields)) {
        expect(field.help, `${definition.kind} ${field.name}`).not.toBe("");
        expect(field.type, `${definition.kind} ${field.name}`).not.toBe("json");
      }
    }
  });
});
