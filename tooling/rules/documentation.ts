import {
  findNodes,
  nameOf,
  nodeAt,
  type Offence,
  offence,
  type SyntaxFile,
  type SyntaxNode,
} from "../repository/syntax.ts";
import { rootName } from "./shape.ts";

/** Exported declarations without a doc comment above them. */
export function findUndocumentedExports(file: SyntaxFile): Offence[] {
  const documented = new Set<string>();
  return (file.program.body as SyntaxNode[])
    .filter((node) => /^Export(Named|Default)Declaration$/.test(node.type))
    .flatMap((node) => {
      const declaration = nodeAt(node, "declaration");
      if (declaration === undefined || declaration.type === "Identifier") return [];
      const name = declaredName(declaration) ?? "the default export";
      if (hasDocComment(file.text, node.start)) documented.add(name);
      // An overload's signatures share one comment.
      if (documented.has(name) || isDerivedType(declaration)) return [];
      return [offence(file, node, `${name} has no doc comment`)];
    });
}

function hasDocComment(text: string, start: number): boolean {
  return /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.test(text.slice(0, start));
}

function declaredName(declaration: SyntaxNode): string | undefined {
  const [first] = (declaration.declarations as SyntaxNode[] | undefined) ?? [];
  return nameOf(nodeAt(declaration, "id")) ?? nameOf(nodeAt(first, "id"));
}

/**
 * `type X = z.infer<typeof x>` and `type X = (typeof XS)[number]` say nothing that `x` does not.
 */
function isDerivedType(declaration: SyntaxNode): boolean {
  if (declaration.type !== "TSTypeAliasDeclaration") return false;
  const annotation = nodeAt(declaration, "typeAnnotation");
  if (annotation === undefined) return false;
  if (!/^(TSTypeReference|TSIndexedAccessType)$/.test(annotation.type)) return false;
  return findNodes({ name: "", text: "", program: annotation }, "TSTypeQuery").length > 0;
}

/** Tests that cannot fail: no assertion in them, nor in a function of the file that they call. */
export function findTestsWithoutAssertion(file: SyntaxFile): Offence[] {
  const asserting = assertingFunctions(file);
  return findNodes(file, "CallExpression").flatMap((call) => {
    const callee = nodeAt(call, "callee");
    if (!/^(it|test)$/.test(rootName(callee) ?? "") || isModifierCall(call)) return [];
    const body = (call.arguments as SyntaxNode[]).find((node) => /Function/.test(node.type));
    if (body === undefined || asserts(body, asserting)) return [];
    const title = file.text.slice(call.start, call.start + 60).split("\n")[0];
    return [offence(file, call, `no assertion: ${title}`)];
  });
}

/** `it.each(rows)`, `it.skipIf(x)`, `test.beforeAll(...)`: no tests themselves. */
function isModifierCall(call: SyntaxNode): boolean {
  const callee = nodeAt(call, "callee");
  const property = nameOf(nodeAt(callee, "property"));
  return callee?.type === "MemberExpression" && property !== undefined && MODIFIERS.has(property);
}

const MODIFIERS = new Set([
  ...["each", "for", "skipIf", "runIf", "extend", "use", "step", "setTimeout", "describe"],
  ...["beforeAll", "beforeEach", "afterAll", "afterEach"],
]);

function assertingFunctions(file: SyntaxFile): Set<string> {
  const functions = new Map<string, SyntaxNode>();
  for (const node of findNodes(file, "FunctionDeclaration", "VariableDeclarator")) {
    const name = nameOf(nodeAt(node, "id"));
    if (name !== undefined)
      functions.set(name, nodeAt(node, "body") ?? nodeAt(node, "init") ?? node);
  }
  const asserting = new Set<string>();
  for (let grown = -1; grown !== asserting.size; ) {
    grown = asserting.size;
    for (const [name, body] of functions) if (asserts(body, asserting)) asserting.add(name);
  }
  return asserting;
}

function asserts(body: SyntaxNode, asserting: ReadonlySet<string>): boolean {
  return findNodes({ name: "", text: "", program: body }, "CallExpression").some((call) => {
    const callee = nodeAt(call, "callee");
    const name = rootName(callee) ?? "";
    const method = nameOf(nodeAt(callee, "property")) ?? "";
    return (
      /^(expect|assert|check|verify)/.test(name) ||
      // Waiting for a condition fails when it never holds.
      /^(expect|assert|until$|waitFor)/.test(method) ||
      asserting.has(name)
    );
  });
}
