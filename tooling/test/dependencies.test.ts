import { describe, expect, it } from "vitest";
import { isCode, listFiles, readText } from "../repository/files.ts";
import { parseFile, tellOffences } from "../repository/syntax.ts";
import { listWorkspaces, rootManifest, type Workspace } from "../repository/workspaces.ts";
import { findCycle, findForbiddenImports } from "../rules/dependencies.ts";

const workspaces = listWorkspaces();
const root = rootManifest();

describe("the repository", () => {
  it("keeps the dependency rule of ARCHITECTURE.md in every import", () => {
    const files = listFiles().filter(isCode);
    expect(files.length).toBeGreaterThan(50);
    const offences = files.flatMap((name) =>
      findForbiddenImports(parseFile(name, readText(name)), workspaces, root),
    );
    expect(tellOffences(offences)).toBe("");
  });

  it("has no packages that depend on each other in a circle", () => {
    expect(findCycle(workspaces)).toBeUndefined();
  });

  it("loads the code of an experiment in the runner only", () => {
    const callers = listFiles()
      .filter(
        (name) => isCode(name) && /^(apps\/web|packages\/(api|db|registry))\/src\//.test(name),
      )
      .filter((name) => /\b(definition|experiment)\.load\(/.test(readText(name)));
    expect(callers).toEqual([]);
  });
});

describe("findForbiddenImports", () => {
  const own = (folder: string, dependencies: string[], exports = ["."]): Workspace => ({
    folder,
    manifest: {
      name: `@fmlab/${folder.split("/")[1]}`,
      dependencies: Object.fromEntries(dependencies.map((name) => [name, "1"])),
      exports: Object.fromEntries(exports.map((name) => [name, "x"])),
    },
  });
  const all = [
    own("packages/sim", ["@fmlab/experiment", "@fmlab/db"]),
    own("packages/experiment", ["zod"]),
    own("packages/db", []),
    own("packages/registry", ["@fmlab/moe-offload"]),
    own("packages/moe-offload", [], [".", "./definitions"]),
    own("apps/web", ["@fmlab/runner"]),
    own("apps/runner", []),
  ];
  const check = (name: string, text: string) =>
    findForbiddenImports(parseFile(name, text), all, {
      name: "root",
      devDependencies: { vitest: "1" },
    }).map(({ what }) => what);

  it.each([
    ["packages/sim/src/a.ts", 'import { x } from "@fmlab/db";', /research packages know nothing/],
    ["packages/sim/src/a.ts", 'export * from "react";', /research packages know nothing/],
    ["packages/sim/src/a.ts", 'const x = await import("@fmlab/runner");', /imports the app/],
    ["packages/sim/src/a.ts", 'type X = import("@fmlab/api").Y;', /research packages know nothing/],
    ["packages/sim/src/a.ts", 'import x from "lodash";', /which @fmlab\/sim does not declare/],
    ["packages/sim/src/a.ts", 'import { it } from "vitest";', /does not declare/],
    ["packages/sim/src/a.ts", 'import x from "../../db/src/y.ts";', /a file outside packages\/sim/],
    ["packages/sim/src/a.ts", 'import "@fmlab/experiment/src/x.ts";', /does not export/],
    ["packages/experiment/src/a.ts", 'import x from "@fmlab/sim";', /imports nothing of ours/],
    [
      "packages/registry/src/a.ts",
      'import x from "@fmlab/moe-offload";',
      /only its \.\/definitions/,
    ],
    ["apps/web/src/a.tsx", 'import x from "@fmlab/runner";', /imports the app/],
    ["tooling/a.ts", 'import x from "lodash";', /the root package\.json does not declare/],
  ])("refuses in %s: %s", (name, text, what) => {
    expect(check(name, text)).toEqual([expect.stringMatching(what)]);
  });

  it.each([
    ["packages/sim/src/a.ts", 'import { x } from "@fmlab/experiment"; import "node:fs";'],
    ["packages/sim/src/a.ts", 'import { x } from "./b.ts";'],
    ["packages/sim/test/a.test.ts", 'import { it } from "vitest";'],
    ["packages/registry/src/a.ts", 'import x from "@fmlab/moe-offload/definitions";'],
  ])("allows in %s: %s", (name, text) => {
    expect(check(name, text)).toEqual([]);
  });

  it("finds a circle of packages and tells its way", () => {
    const circle = [
      own("packages/a", ["@fmlab/b"]),
      own("packages/b", ["@fmlab/c"]),
      own("packages/c", ["@fmlab/b"]),
    ];
    expect(findCycle(circle)).toEqual(["@fmlab/b", "@fmlab/c", "@fmlab/b"]);
  });
});
