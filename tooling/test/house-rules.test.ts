import { describe, expect, it } from "vitest";
import { isCode, isTest, listFiles, readText } from "../repository/files.ts";
import { type Offence, parseFile, type SyntaxFile, tellOffences } from "../repository/syntax.ts";
import { listWorkspaces } from "../repository/workspaces.ts";
import { findTestsWithoutAssertion, findUndocumentedExports } from "../rules/documentation.ts";
import {
  findAmbientTimeAndChance,
  findAny,
  findConsole,
  findLooseComments,
  findNonNull,
} from "../rules/language.ts";
import { findMachinePaths, findPrivateFacts } from "../rules/privacy.ts";
import { findDeadFiles } from "../rules/reach.ts";
import {
  findBadFileNames,
  findLongFiles,
  findLongFunctions,
  findLongLines,
} from "../rules/shape.ts";

const names = listFiles();
const code = names.filter(isCode).map((name) => parseFile(name, readText(name)));

/** Types are told by what uses them in pages; other exports of the web app are components. */
const isDocumented = ({ name }: SyntaxFile) =>
  /^(packages\/[^/]+|apps\/runner)\/src\//.test(name) || /^tooling\//.test(name);

const RULES: [rule: string, find: (file: SyntaxFile) => Offence[]][] = [
  ["has no line over 100 columns", findLongLines],
  ["has no function over 70 lines", findLongFunctions],
  ["has no file over its size, and an outline in the large ones", findLongFiles],
  ["has no any", findAny],
  ["has no non-null assertion", findNonNull],
  ["has no check switched off without a reason and no work put off", findLooseComments],
  ["prints to the console from command-line entry points only", findConsole],
  ["takes time and chance injected in research packages", findAmbientTimeAndChance],
  [
    "has no test without an assertion",
    (file) => (isTest(file.name) ? findTestsWithoutAssertion(file) : []),
  ],
  [
    "documents every exported symbol",
    (file) => (isDocumented(file) && !isTest(file.name) ? findUndocumentedExports(file) : []),
  ],
];

describe("the code", () => {
  it.each(RULES)("%s", (_, find) => {
    expect(code.length).toBeGreaterThan(50);
    expect(tellOffences(code.flatMap(find))).toBe("");
  });

  it("has files named in kebab-case for what they export", () => {
    // Next gives meaning to brackets and parentheses in folder names, never in file names.
    expect(tellOffences(code.flatMap(({ name }) => findBadFileNames(name)))).toBe("");
  });

  it("has no file that nothing uses", () => {
    const texts = names
      .filter((name) => /(^|\/)package\.json$|^\.ci\/|\.(sh|json)$/.test(name))
      .filter((name) => !/package-lock|^experiments\/|^claims\//.test(name))
      .map(readText);
    expect(tellOffences(findDeadFiles(code, texts))).toBe("");
  });
});

describe("the repository", () => {
  it("has a README of 30 to 150 lines in every package and app", () => {
    const lengths = listWorkspaces().map(({ folder }) => {
      const readme = `${folder}/README.md`;
      return [readme, names.includes(readme) ? readText(readme).split("\n").length : 0] as const;
    });
    expect(lengths.filter(([, lines]) => lines < 30 || lines > 150)).toEqual([]);
  });

  it("names no path of a particular machine in any file", () => {
    const texts = names.filter(
      (name) =>
        /\.(md|ts|tsx|mjs|json|jsonl|txt|ya?ml|css|sh|sql|prisma)$/.test(name) ||
        name.startsWith(".ci/"),
    );
    const others = texts.filter(
      (name) => !/^tooling\/(test|rules)\/|^package-lock\.json$/.test(name),
    );
    expect(tellOffences(others.flatMap((name) => findMachinePaths(name, readText(name))))).toBe("");
  });

  it("tells in committed runs and claims nothing about whose machine they were made on", () => {
    const committed = names.filter((name) =>
      /^(experiments|claims)\/.*\.(json|jsonl|txt|md|csv)$/.test(name),
    );
    expect(committed.length).toBeGreaterThan(0);
    expect(tellOffences(committed.flatMap((name) => findPrivateFacts(name, readText(name))))).toBe(
      "",
    );
  });
});
