import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diffConfigs } from "../src/features/configs/config-diff.ts";
import { withValue } from "../src/features/launch/config-values.ts";

describe("the difference of two configs", () => {
  it("tells changed, added and removed fields by path", () => {
    const before = { a: 1, link: { speed: 200 }, prompts: ["x", "y"], old: true };
    const after = { a: 2, link: { speed: 200, delay: 5 }, prompts: ["x"], fresh: null };
    expect(diffConfigs(before, after)).toEqual([
      { path: "a", kind: "changed", before: 1, after: 2 },
      { path: "link.delay", kind: "added", before: undefined, after: 5 },
      { path: "prompts.1", kind: "removed", before: "y", after: undefined },
      { path: "fresh", kind: "added", before: undefined, after: null },
      { path: "old", kind: "removed", before: true, after: undefined },
    ]);
  });

  it("takes a list for something else than an object, and null for a value", () => {
    expect(diffConfigs({ a: [] }, { a: {} })).toHaveLength(1);
    expect(diffConfigs({ a: null }, { a: {} })).toHaveLength(1);
  });

  it("is empty exactly for equal configs, and leads from the one to the other", () => {
    const config = fc.dictionary(
      fc.constantFrom("a", "b", "c"),
      fc.oneof(fc.integer(), fc.dictionary(fc.constantFrom("x", "y"), fc.integer())),
    );
    fc.assert(
      fc.property(config, config, (before, after) => {
        const differences = diffConfigs(before, after);
        expect(differences.length === 0).toBe(canonical(before) === canonical(after));
        let rebuilt: unknown = before;
        for (const { path, after: value } of differences) {
          rebuilt = withValue(rebuilt, path.split("."), value);
        }
        expect(JSON.parse(canonical(rebuilt))).toEqual(JSON.parse(canonical(after)));
      }),
    );
  });
});

/** JSON with sorted names and without what is undefined. */
function canonical(value: unknown): string {
  const sorted = (_: string, v: unknown) =>
    typeof v === "object" && v !== null
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v;
  return JSON.stringify(value, sorted);
}
