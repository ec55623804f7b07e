import path from "node:path";
import { importsOf } from "../repository/imports.ts";
import { findNodes, type Offence, type SyntaxFile, stringOf } from "../repository/syntax.ts";

/** Files that something outside the code loads: Next by place, tools by name, people by command. */
const ENTRY_POINTS = [
  /\.(test|property\.test|e2e|bench)\.tsx?$/,
  /\.config\.(ts|mjs)$/,
  /(^|\/)bench\//,
  /^scripts\/[^/]+\.mjs$/,
  /^tooling\/[^/]+\.(mjs|ts)$/,
  /^apps\/web\/src\/app\/(.*\/)?(page|layout|route|loading|error|not-found|global-error)\.tsx?$/,
  /^apps\/web\/src\/app\/(.*\/)?(template|icon|manifest)\.tsx?$/,
  /^apps\/web\/(src\/)?(instrumentation|middleware|proxy)\.ts$/,
];

/**
 * Code files that nothing names: no import, and no string that ends with the file's name (worker
 * files and child processes are named in strings).
 *
 * @param texts other files that may name code, e.g. package.json and shell scripts
 */
export function findDeadFiles(files: readonly SyntaxFile[], texts: readonly string[]): Offence[] {
  const imported = new Set<string>();
  const named = new Set<string>();
  for (const file of files) {
    for (const { specifier } of importsOf(file)) {
      if (specifier.startsWith(".")) {
        imported.add(path.posix.join(path.posix.dirname(file.name), specifier));
      } else if (specifier.startsWith("@/")) {
        imported.add(`${file.name.split("/").slice(0, 2).join("/")}/src/${specifier.slice(2)}`);
      }
    }
    for (const node of findNodes(file, "Literal", "TemplateLiteral")) {
      const text = stringOf(node);
      if (text !== undefined) named.add(text.split("/").at(-1) ?? "");
    }
  }
  const isImported = (name: string) =>
    [name, name.replace(/\.tsx?$/, ""), name.replace(/\/index\.tsx?$/, "")].some((form) =>
      imported.has(form),
    );
  return files
    .filter(({ name }) => !ENTRY_POINTS.some((place) => place.test(name)))
    .filter(({ name }) => !isImported(name) && !named.has(path.basename(name)))
    .filter(({ name }) => !texts.some((text) => text.includes(path.basename(name))))
    .map(({ name }) => ({ at: name, what: "nothing imports or names this file" }));
}
