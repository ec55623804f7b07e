import { readFileSync } from "node:fs";
import { parseConfig, presetConfig } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { definitions } from "../../src/definitions/index.ts";

/** Modules a file imports when it is loaded, with those of its relative imports; types left out. */
function staticImports(url: URL, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(url.href)) return packages;
  seen.add(url.href);
  const source = readFileSync(url, "utf8");
  for (const [, names = "", from = ""] of source.matchAll(/^import ([^;]*?)from "([^"]+)";/gms)) {
    if (names.startsWith("type ")) continue;
    if (!from.startsWith(".")) packages.add(from);
    else for (const name of staticImports(new URL(from, url), seen)) packages.add(name);
  }
  return packages;
}

describe("this package's definitions", () => {
  it("import nothing but the contract and zod, so that the web server may load them", () => {
    const index = new URL("../../src/definitions/index.ts", import.meta.url);
    expect([...staticImports(index)].sort()).toEqual(["@fmlab/experiment", "zod"]);
  });

  it("explain every field, for the form", () => {
    for (const definition of definitions) {
      const schema = z.toJSONSchema(definition.config, { io: "input" });
      const unexplained: string[] = [];
      const visit = (node: Record<string, unknown>, path: string) => {
        const properties = (node.properties ?? {}) as Record<string, Record<string, unknown>>;
        for (const [name, field] of Object.entries(properties)) {
          if (!field.description) unexplained.push(`${path}${name}`);
          visit(field, `${path}${name}.`);
        }
      };
      visit(schema as Record<string, unknown>, "");
      expect(unexplained).toEqual([]);
    }
  });

  it("tell source and licence of every file a preset needs, and what is simulated", () => {
    for (const definition of definitions) {
      for (const name of Object.keys(definition.presets)) {
        const config = presetConfig(definition, name);
        const { files = [] } = definition.requires(config);
        for (const file of files) expect(file.source && file.licence).toBeTruthy();
        const isReal = definition.kind === "cnc-brain.testbed";
        expect(definition.fidelity(config)).toBe(isReal ? "measured" : "simulated");
      }
      expect(definition.requires(parseConfig(definition, {})).files).toEqual([]);
    }
  });
});
