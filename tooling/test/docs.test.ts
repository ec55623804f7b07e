import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { experiments, renderExperimentDocs } from "../../packages/registry/src/index.ts";
import { inRoot, listFiles, readText } from "../repository/files.ts";

describe("docs/experiments", () => {
  const pages = renderExperimentDocs(experiments.values());

  it("has a page for every experiment and no other (else: npm run docs)", () => {
    expect(readdirSync(inRoot("docs/experiments")).sort()).toEqual([...pages.keys()].sort());
  });

  it.each([...pages])("has %s as the definition tells it (else: npm run docs)", (name, text) => {
    expect(readText(`docs/experiments/${name}`)).toBe(text);
  });
});

describe("docs/adr", () => {
  const records = listFiles().filter((name) => /^docs\/adr\/\d/.test(name));

  it("numbers decisions without gaps", () => {
    const numbers = records.map((name) => Number(path.basename(name).slice(0, 4)));
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    expect(numbers.length).toBeGreaterThan(0);
  });

  it.each(records)("%s tells context, decision, consequences and what was rejected", (name) => {
    const headings = readText(name).match(/^## .*$/gm);
    expect(headings).toEqual(["## Context", "## Decision", "## Consequences", "## Rejected"]);
    expect(readText(name).split("\n").length).toBeLessThan(80);
  });
});

describe("every relative link in a document", () => {
  const documents = listFiles().filter((name) => name.endsWith(".md"));

  it("leads to a file of the repository", () => {
    const files = new Set(listFiles());
    const folders = new Set([...files].flatMap((name) => parentsOf(name)));
    const broken = documents.flatMap((name) =>
      linksOf(readText(name))
        .map((link) => path.posix.join(path.posix.dirname(name), link))
        .filter((target) => !files.has(target) && !folders.has(target.replace(/\/$/, "")))
        .map((target) => `${name}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

function linksOf(text: string): string[] {
  const withoutCode = text.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, "");
  return [...withoutCode.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? "").split("#")[0] ?? "")
    .filter((link) => link !== "" && !/^[a-z]+:/.test(link));
}

function parentsOf(name: string): string[] {
  const parts = name.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
}
