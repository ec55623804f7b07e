import { parseAst } from "vitest/node";

/** A node of the syntax tree (ESTree with TypeScript's nodes); fields depend on its type. */
export interface SyntaxNode {
  type: string;
  start: number;
  end: number;
  [field: string]: unknown;
}

/** A parsed file. */
export interface SyntaxFile {
  name: string;
  text: string;
  program: SyntaxNode;
}

/** Something a rule does not allow. */
export interface Offence {
  /** `path:line`, so that terminals link it. */
  at: string;
  what: string;
}

/**
 * Offences as text, one a line, so that a failing test shows all of them; "" when there are none.
 */
export function tellOffences(offences: readonly Offence[]): string {
  return offences.map(({ at, what }) => `${at}: ${what}`).join("\n");
}

/** Parses with the parser that vitest itself uses (Oxc): real syntax, no patterns over text. */
export function parseFile(name: string, text: string): SyntaxFile {
  const lang = name.endsWith(".tsx") ? "tsx" : name.endsWith(".ts") ? "ts" : "js";
  try {
    const program = parseAst(text, { lang, astType: "ts" }) as unknown as SyntaxNode;
    return { name, text, program };
  } catch (cause) {
    throw new Error(`${name} does not parse: ${(cause as Error).message}`, { cause });
  }
}

/** Visits every node below (and with) `node`, parents first. */
export function walk(
  node: SyntaxNode,
  visit: (node: SyntaxNode, parents: readonly SyntaxNode[]) => void,
  parents: readonly SyntaxNode[] = [],
): void {
  visit(node, parents);
  const inner = [...parents, node];
  for (const child of childrenOf(node)) walk(child, visit, inner);
}

/** All nodes of a type, in the order of the text. */
export function findNodes(file: SyntaxFile, ...types: string[]): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  walk(file.program, (node) => {
    if (types.includes(node.type)) found.push(node);
  });
  return found;
}

/** The node in a field, if there is one. */
export function nodeAt(node: SyntaxNode | undefined, field: string): SyntaxNode | undefined {
  const value = node?.[field];
  return isNode(value) ? value : undefined;
}

/** The name of an identifier node. */
export function nameOf(node: SyntaxNode | undefined): string | undefined {
  return node?.type === "Identifier" && typeof node.name === "string" ? node.name : undefined;
}

/** The text of a string literal, also of a template without holes. */
export function stringOf(node: SyntaxNode | undefined): string | undefined {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  const quasis = node?.type === "TemplateLiteral" ? (node.quasis as SyntaxNode[]) : [];
  const value = quasis.length === 1 ? quasis[0]?.value : undefined;
  return (value as { cooked?: string } | undefined)?.cooked;
}

/** Where in the file an offset lies. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** An offence at a node. */
export function offence(file: SyntaxFile, node: SyntaxNode, what: string): Offence {
  return { at: `${file.name}:${lineAt(file.text, node.start)}`, what };
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  return Object.values(node).flatMap((value) => {
    if (isNode(value)) return [value];
    return Array.isArray(value) ? value.filter(isNode) : [];
  });
}

function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string"
  );
}
