import { describe, expect, it } from "vitest";
import {
  GgufError,
  type GgufValue,
  getBoolean,
  getInteger,
  getIntegers,
  getNumber,
  getString,
  getStrings,
  getTensor,
} from "../../src/gguf/index.ts";
import { EVERY_VALUE } from "./samples.ts";

const file = { path: "model.gguf", metadata: new Map(EVERY_VALUE), tensors: new Map() };

describe("typed look-ups in GGUF metadata", () => {
  it("takes whole numbers of any integer type", () => {
    expect(getInteger(file, "a.uint8")).toBe(255);
    expect(getInteger(file, "a.int32", { min: -(2 ** 31) })).toBe(-(2 ** 31));
    expect(getInteger(file, "none", { fallback: 3 })).toBe(3);
    expect(getIntegers(file, "b.int32")).toEqual([-5, 7]);
    expect(getIntegers(file, "b.uint64")).toEqual([9]);
  });

  it("takes numbers, booleans and texts", () => {
    expect(getNumber(file, "a.float64")).toBe(Math.PI);
    expect(getNumber(file, "a.uint16")).toBe(65_535);
    expect(getBoolean(file, "a.bool")).toBe(true);
    expect(getString(file, "none", "x")).toBe("x");
    expect(getStrings(file, "b.string")).toEqual(["", "x", "日本"]);
  });

  it.each<[string, () => unknown]>([
    ["an integer out of its range", () => getInteger(file, "a.uint8", { max: 254 })],
    ["a negative integer", () => getInteger(file, "a.int8")],
    ["an unsafe integer", () => getInteger(file, "a.uint64")],
    ["a float for an integer", () => getInteger(file, "a.float32")],
    ["a text for a number", () => getNumber(file, "a.string")],
    ["an integer for a boolean", () => getBoolean(file, "a.uint8")],
    ["a number for a text", () => getString(file, "a.uint8")],
    ["a text for texts", () => getStrings(file, "a.string")],
    ["texts for integers", () => getIntegers(file, "b.string")],
  ])("refuses %s and says what was expected", (_, get) => {
    expect(get).toThrow(GgufError);
    expect(get).toThrow(/expected/);
  });

  it("refuses a NaN for a number", () => {
    const value: GgufValue = { type: "float32", value: Number.NaN };
    const bad = { path: "m", metadata: new Map([["x", value]]) };
    expect(() => getNumber(bad, "x")).toThrow(GgufError);
  });

  it("names a missing key and a missing tensor", () => {
    expect(() => getString(file, "none")).toThrow(/lacks the metadata key "none"/);
    expect(() => getTensor(file, "none")).toThrow(/has no tensor "none"/);
  });
});
