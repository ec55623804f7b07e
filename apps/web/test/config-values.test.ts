import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  isSameConfig,
  parseNumberText,
  valueAt,
  withoutItem,
  withValue,
} from "../src/features/launch/config-values.ts";

describe("values of a config by path", () => {
  it("changes one place and leaves the original and everything beside it alone", () => {
    const before = { a: { b: [1, 2] }, c: { d: 3 } };
    const after = withValue(before, ["a", "b", 1], 9) as typeof before;
    expect(after).toEqual({ a: { b: [1, 9] }, c: { d: 3 } });
    expect(before.a.b).toEqual([1, 2]);
    expect(after.c).toBe(before.c);
  });

  it("reads back what it wrote, wherever", () => {
    const step = fc.oneof(fc.constantFrom("a", "b", "c"), fc.nat(3));
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), fc.integer(), (path, value) => {
        expect(valueAt(withValue({}, path, value), path)).toBe(value);
      }),
    );
  });

  it("leads nowhere quietly", () => {
    expect(valueAt({ a: 1 }, ["a", "b"])).toBeUndefined();
    expect(valueAt(null, ["a"])).toBeUndefined();
  });

  it("removes one item of a list", () => {
    expect(withoutItem(["a", "b", "c"], 1)).toEqual(["a", "c"]);
    expect(withoutItem(undefined, 0)).toEqual([]);
  });
});

describe("typed numbers", () => {
  it.each([
    ["6.375", 6.375],
    [" 12 ", 12],
    ["-1e3", -1000],
    ["1 000", 1000],
    ["1.", 1],
  ])("reads %j as a number", (text, value) => {
    expect(parseNumberText(text)).toBe(value);
  });

  it.each(["", "-", "1e", "abc", "1,5"])(
    "keeps %j as text, so that validation refuses it",
    (text) => {
      expect(parseNumberText(text)).toBe(text);
    },
  );
});

describe("equal configs", () => {
  it("does not mind the order of fields, but that of lists", () => {
    expect(isSameConfig({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 })).toBe(true);
    expect(isSameConfig({ a: [1, 2] }, { a: [2, 1] })).toBe(false);
    expect(isSameConfig({ a: 1 }, { a: "1" })).toBe(false);
  });
});
