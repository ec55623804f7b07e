import os from "node:os";
import { describe, expect, it } from "vitest";
import { parseFile, type SyntaxFile } from "../repository/syntax.ts";
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

// Every rule is shown to find what it is for and to leave the rest alone.

const file = (text: string, name = "packages/sim/src/a.ts"): SyntaxFile => parseFile(name, text);
const lines = (count: number) => "  step();\n".repeat(count);

describe("shape", () => {
  it("finds lines of 101 columns, counting characters and not code units", () => {
    expect(findLongLines(file(`// ${"x".repeat(97)}\n// ${"y".repeat(98)}\n`))).toMatchObject([
      { at: "packages/sim/src/a.ts:2", what: "line of 101 columns (at most 100)" },
    ]);
    expect(findLongLines(file(`// ${"🙂".repeat(97)}\n`))).toEqual([]);
    const markup = `const a = <a className="${"x ".repeat(60)}" />;\n`;
    expect(findLongLines(file(markup, "apps/web/src/a.tsx"))).toEqual([]);
    expect(findLongLines(file(`const a = "${"x ".repeat(52)}";\n`))).toEqual([]);
    expect(findLongLines(file(`const a = "${"x ".repeat(60)}";\n`))).toHaveLength(1);
    expect(findLongLines(file(`const a = b("", ${"c, ".repeat(40)});\n`))).toHaveLength(1);
    expect(findLongLines(file(`// https://example.org/${"x".repeat(120)}\n`))).toEqual([]);
  });

  it("finds functions of 71 lines, also arrows and methods, but no describe block", () => {
    expect(findLongFunctions(file(`function f() {\n${lines(68)}}\n`))).toEqual([]);
    expect(findLongFunctions(file(`function f() {\n${lines(69)}}\n`))).toHaveLength(1);
    expect(findLongFunctions(file(`const f = () => {\n${lines(69)}};\n`))).toHaveLength(1);
    expect(findLongFunctions(file(`class A { m() {\n${lines(69)}} }\n`))).toHaveLength(1);
    expect(findLongFunctions(file(`describe("x", () => {\n${lines(99)}});\n`))).toEqual([]);
    expect(findLongFunctions(file(`describe.each([1])("x", () => {\n${lines(99)}});\n`))).toEqual(
      [],
    );
    expect(findLongFunctions(file(`it("x", () => {\n${lines(99)}});\n`))).toHaveLength(1);
  });

  it("finds files beyond their size and large ones without an outline", () => {
    const sized = (name: string, count: number, top = "") =>
      findLongFiles(file(`${top}${"x;\n".repeat(count)}`, name)).map(({ what }) => what);
    expect(sized("apps/web/src/a.ts", 300)).toEqual([]);
    expect(sized("apps/web/src/a.ts", 301)).toEqual(["301 lines (at most 300)"]);
    expect(sized("packages/sim/src/a.ts", 400)).toEqual([]);
    expect(sized("packages/sim/src/a.ts", 401)).toEqual([
      "401 lines without an outline at the top",
    ]);
    expect(sized("packages/sim/src/a.ts", 401, "// Outline: x\n")).toEqual([]);
    expect(sized("packages/sim/src/a.ts", 700, "// Outline: x\n")).toHaveLength(1);
  });

  it("finds names that say nothing and names in other cases", () => {
    for (const name of [
      "a/utils.ts",
      "a/helpers.ts",
      "a/Common.ts",
      "a/fooBar.ts",
      "a/foo_bar.ts",
    ]) {
      expect(findBadFileNames(name)).toHaveLength(1);
    }
    for (const name of ["a/expert-cache.ts", "a/x.property.test.ts", "app/[id]/page.tsx"]) {
      expect(findBadFileNames(name)).toEqual([]);
    }
  });
});

describe("language", () => {
  it("finds any as a type, an assertion and a type argument, but not in words", () => {
    expect(findAny(file("let a: any; const b = c as any; let d: Array<any>;"))).toHaveLength(3);
    expect(findAny(file('const any = "any"; // any\n'))).toEqual([]);
  });

  it("finds non-null assertions, but no negation", () => {
    expect(findNonNull(file("a!.b; class X { y!: number }"))).toHaveLength(2);
    expect(findNonNull(file("if (!a && b !== c) d();"))).toEqual([]);
  });

  it("finds switched-off checks and work put off", () => {
    // In parts, so that the repository's own check does not find them here.
    const bad = [
      `// @ts-${"ignore"}`,
      `// @ts-${"expect"}-error`,
      `// TO${"DO"}: later`,
      `/* FIX${"ME"} */ x; // FIX${"ME"}`,
    ];
    for (const text of bad) expect(findLooseComments(file(`${text}\n`))).not.toEqual([]);
    expect(
      findLooseComments(file(`// @ts-${"expect"}-error: the package ships no types\n`)),
    ).toEqual([]);
    expect(findLooseComments(file('const todo = "TODO list";\n'))).toEqual([]);
  });

  it("finds console where people do not read it", () => {
    const text = 'console.log("x");';
    expect(findConsole(file(text))).toHaveLength(1);
    expect(findConsole(file(text, "apps/runner/src/agent/a.ts"))).toHaveLength(1);
    for (const name of ["scripts/a.mjs", "apps/runner/src/cli/a.ts", "packages/sim/bench/a.ts"]) {
      expect(findConsole(file(text, name))).toEqual([]);
    }
  });

  it("finds ambient time and chance in research packages only", () => {
    const text =
      "Math.random(); Date.now(); new Date(); performance.now(); setTimeout(f, 1); process.hrtime();";
    expect(findAmbientTimeAndChance(file(text))).toHaveLength(6);
    expect(findAmbientTimeAndChance(file(text, "packages/api/src/a.ts"))).toEqual([]);
    expect(findAmbientTimeAndChance(file(text, "packages/sim/test/a.test.ts"))).toEqual([]);
    expect(findAmbientTimeAndChance(file("new Date(0); clock.nowMs(); Math.max(1, 2);"))).toEqual(
      [],
    );
  });
});

describe("documentation", () => {
  it("finds exported symbols without a doc comment", () => {
    const found = (text: string) => findUndocumentedExports(file(text)).map(({ what }) => what);
    expect(found("export function f() {}")).toEqual(["f has no doc comment"]);
    expect(found("// why\nexport const a = 1;")).toEqual(["a has no doc comment"]);
    expect(found("/* why */\nexport class A {}")).toEqual(["A has no doc comment"]);
    expect(found("/** why */\nconst b = 1;\nexport interface I {}")).toEqual([
      "I has no doc comment",
    ]);
    expect(found("/** Why. */\nexport interface I {}\n")).toEqual([]);
    expect(found('export * from "./b.ts"; export { c };')).toEqual([]);
    expect(found("export type T = z.infer<typeof schema>;")).toEqual([]);
    expect(found("export type T = (typeof KINDS)[number];")).toEqual([]);
    expect(found("export type T = { a: typeof b };")).toHaveLength(1);
  });

  it("finds tests that cannot fail", () => {
    const found = (text: string) => findTestsWithoutAssertion(file(text)).length;
    expect(found('it("x", () => { run(); });')).toBe(1);
    expect(found('it.each([1])("x", (n) => { run(n); });')).toBe(1);
    expect(found('test.skipIf(y)("x", async () => { await run(); });')).toBe(1);
    expect(found('it("x", () => { expect(run()).toBe(1); });')).toBe(0);
    expect(found('const holds = () => expect(1).toBe(1); it("x", () => holds());')).toBe(0);
    expect(
      found('const a = () => b(); const b = () => assert.ok(1); it("x", () => { a(); });'),
    ).toBe(0);
    expect(found('it("x", () => fc.assert(p));')).toBe(0);
  });
});

describe("reach", () => {
  it("finds a file that nothing imports, names in a string or starts by its place", () => {
    const files = [
      file(
        'import "./used.ts"; new Worker(new URL("./worker.ts", x));',
        "packages/sim/src/index.ts",
      ),
      file("", "packages/sim/src/used.ts"),
      file("", "packages/sim/src/worker.ts"),
      file("", "packages/sim/src/dead.ts"),
      file("", "packages/sim/test/a.test.ts"),
      file('import "@/ui/b"; import "./c";', "apps/web/src/app/runs/page.tsx"),
      file("", "apps/web/src/ui/b.tsx"),
      file("", "apps/web/src/app/runs/c.tsx"),
    ];
    expect(findDeadFiles(files, ['"exports": "./src/index.ts"']).map(({ at }) => at)).toEqual([
      "packages/sim/src/dead.ts",
    ]);
  });
});

describe("privacy", () => {
  it("finds paths of particular machines, but no routes and no relative paths", () => {
    expect(findMachinePaths("a.md", "cd /home/ann/fmlab\nsee /root/x\n/home/alice/x")).toHaveLength(
      2,
    );
    expect(findMachinePaths("a.md", "src/home/page.tsx ./work/x https://x.org/home/a")).toEqual([]);
  });

  it("finds absolute paths and this machine's name in committed runs", () => {
    expect(findPrivateFacts("run.json", '{"path":"/tmp/x/y","m":"C:\\\\Users"}')).toHaveLength(1);
    expect(findPrivateFacts("run.json", '{"path":"models/a.gguf","unit":"MiB/s"}')).toEqual([]);
    const host = os.hostname();
    const found = findPrivateFacts("log.txt", `started on ${host}`);
    expect(found).toHaveLength(host.length > 3 && host !== "localhost" ? 1 : 0);
  });
});
