import { findNodes, lineAt, nameOf, nodeAt, type SyntaxFile, stringOf } from "./syntax.ts";

/** One import of a file: static, dynamic, re-export, require or import type. */
export interface Import {
  specifier: string;
  line: number;
  /** Leaves nothing behind when types are stripped. */
  typeOnly: boolean;
}

/** Every module a file names as a literal. */
export function importsOf(file: SyntaxFile): Import[] {
  const declared = findNodes(
    file,
    "ImportDeclaration",
    "ExportNamedDeclaration",
    "ExportAllDeclaration",
  ).map((node) => ({
    at: node,
    source: nodeAt(node, "source"),
    typeOnly: node.importKind === "type" || node.exportKind === "type",
  }));
  const dynamic = findNodes(file, "ImportExpression").map((node) => ({
    at: node,
    source: nodeAt(node, "source"),
    typeOnly: false,
  }));
  const types = findNodes(file, "TSImportType").map((node) => ({
    at: node,
    source: nodeAt(node, "source") ?? nodeAt(nodeAt(node, "argument"), "literal"),
    typeOnly: true,
  }));
  const required = findNodes(file, "CallExpression")
    .filter((node) => nameOf(nodeAt(node, "callee")) === "require")
    .map((node) => ({
      at: node,
      source: (node.arguments as (typeof node)[])[0],
      typeOnly: false,
    }));
  return [...declared, ...dynamic, ...types, ...required].flatMap(({ at, source, typeOnly }) => {
    const specifier = stringOf(source);
    return specifier === undefined
      ? []
      : [{ specifier, line: lineAt(file.text, at.start), typeOnly }];
  });
}

/**
 * The package of a bare specifier: `@scope/name/x` is `@scope/name`; undefined for relative ones
 * and for `@/x`, the web app's name for its own `src/x`.
 */
export function packageOf(specifier: string): string | undefined {
  if (/^(\.|\/|@\/)/.test(specifier)) return undefined;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}
