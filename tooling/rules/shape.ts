import { isTest } from "../repository/files.ts";
import {
  findNodes,
  lineAt,
  nameOf,
  nodeAt,
  type Offence,
  offence,
  type SyntaxFile,
  type SyntaxNode,
  walk,
} from "../repository/syntax.ts";

/** Sizes chosen in CONTRIBUTING.md. */
const LIMITS = {
  columns: 100,
  stringColumns: 120,
  functionLines: 70,
  appFileLines: 300,
  fileLines: 700,
  outlineFrom: 400,
};

/**
 * Lines beyond 100 columns. What the formatter cannot break may be longer: one address; a line with
 * a long string up to 120 columns (messages are searched for as a whole); a list of classes in
 * markup.
 */
export function findLongLines(file: SyntaxFile): Offence[] {
  const { name, text } = file;
  const unbreakable = linesWithLongString(file);
  const withString = name.endsWith(".tsx") ? Number.POSITIVE_INFINITY : LIMITS.stringColumns;
  return text.split("\n").flatMap((line, i) => {
    const columns = [...line].length;
    const isAddress = /^[\s/*#-]*(@see )?https?:\/\/\S+$/.test(line);
    const most = unbreakable.has(i + 1) ? withString : LIMITS.columns;
    if (columns <= most || isAddress) return [];
    return [{ at: `${name}:${i + 1}`, what: `line of ${columns} columns (at most ${most})` }];
  });
}

/** Lines on which a string of over 50 characters lies, or a template goes on. */
function linesWithLongString(file: SyntaxFile): Set<number> {
  const lines = new Set<number>();
  for (const node of findNodes(file, "Literal", "TemplateLiteral")) {
    const isText = node.type === "TemplateLiteral" || typeof node.value === "string";
    if (!isText || node.end - node.start <= 50) continue;
    const last = lineAt(file.text, node.end);
    for (let line = lineAt(file.text, node.start); line <= last; line++) lines.add(line);
  }
  return lines;
}

/** Functions beyond 70 lines. The body of a `describe` is a list of tests, no function. */
export function findLongFunctions(file: SyntaxFile): Offence[] {
  const offences: Offence[] = [];
  walk(file.program, (node, parents) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type))
      return;
    if (isDescribeBody(node, parents)) return;
    const lines = lineAt(file.text, node.end) - lineAt(file.text, node.start) + 1;
    if (lines <= LIMITS.functionLines) return;
    offences.push(
      offence(file, node, `function of ${lines} lines (at most ${LIMITS.functionLines})`),
    );
  });
  return offences;
}

function isDescribeBody(node: SyntaxNode, parents: readonly SyntaxNode[]): boolean {
  const call = parents.at(-1);
  if (call?.type !== "CallExpression" || call.callee === node) return false;
  return rootName(nodeAt(call, "callee")) === "describe";
}

/** `describe` of `describe.each(rows)`; the identifier a chain of calls and members begins with. */
export function rootName(node: SyntaxNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  const name = nameOf(node);
  if (name !== undefined) return name;
  return rootName(nodeAt(node, "callee") ?? nodeAt(node, "object") ?? nodeAt(node, "tag"));
}

/** Files beyond their size: 300 lines in apps, 700 elsewhere, and over 400 only with an outline. */
export function findLongFiles({ name, text }: SyntaxFile): Offence[] {
  const lines = text.split("\n").length - 1;
  const isApp = name.startsWith("apps/") && !isTest(name);
  const most = isApp ? LIMITS.appFileLines : LIMITS.fileLines;
  if (lines > most) return [{ at: name, what: `${lines} lines (at most ${most})` }];
  const top = text.split("\n").slice(0, 40).join("\n");
  return lines > LIMITS.outlineFrom && !isTest(name) && !/outline|contents/i.test(top)
    ? [{ at: name, what: `${lines} lines without an outline at the top` }]
    : [];
}

/** Names that say nothing, and names that are not kebab-case. */
export function findBadFileNames(name: string): Offence[] {
  const base = name.split("/").at(-1) ?? "";
  if (/^(utils?|helpers?|misc|common|shared)\.\w+$/.test(base)) {
    return [{ at: name, what: "a file is named for the one thing it exports" }];
  }
  return /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)+$/.test(base)
    ? []
    : [{ at: name, what: "file names are kebab-case" }];
}
