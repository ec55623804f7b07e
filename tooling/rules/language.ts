import { isTest } from "../repository/files.ts";
import {
  findNodes,
  nameOf,
  nodeAt,
  type Offence,
  offence,
  type SyntaxFile,
  type SyntaxNode,
} from "../repository/syntax.ts";
import { RESEARCH } from "./dependencies.ts";

/** `any` in whatever place. */
export function findAny(file: SyntaxFile): Offence[] {
  return findNodes(file, "TSAnyKeyword").map((node) => offence(file, node, "the type any"));
}

/** `value!` and `field!: Type`. */
export function findNonNull(file: SyntaxFile): Offence[] {
  const asserted = findNodes(file, "TSNonNullExpression");
  const definite = findNodes(file, "PropertyDefinition", "VariableDeclarator").filter(
    (node) => node.definite === true,
  );
  return [...asserted, ...definite].map((node) => offence(file, node, "a non-null assertion"));
}

/** Comments that switch checks off without a reason, and work put off in the code. */
export function findLooseComments({ name, text }: SyntaxFile): Offence[] {
  // Written in parts, so that this file passes its own rule.
  const patterns: [RegExp, string][] = [
    [
      new RegExp(`@ts-${"ignore"}|@ts-${"nocheck"}`),
      "expect the type error instead, with its reason",
    ],
    [new RegExp(`@ts-${"expect"}-error(?!: \\S)`), "an expected type error needs `: <reason>`"],
    [new RegExp(`biome-${"ignore"}[^:\\n]*(?!.*: \\S)$`), "biome-ignore needs `: <reason>`"],
    [
      new RegExp(`(//|\\*|#).*\\b(TO${"DO"}|FIX${"ME"}|XX${"X"})\\b`),
      "work put off: file an issue",
    ],
  ];
  return text
    .split("\n")
    .flatMap((line, i) =>
      patterns
        .filter(([pattern]) => pattern.test(line))
        .map(([, what]) => ({ at: `${name}:${i + 1}`, what })),
    );
}

/** Where printing to the terminal is the purpose. */
const PRINTERS = [
  /^scripts\//,
  /^tooling\/[^/]+\.mjs$/,
  /\/bench\//,
  /^apps\/runner\/src\/cli\//,
  /^apps\/runner\/bin\//,
  /\/scripts\//,
  /-cli\.(ts|mjs)$/,
];

/** `console.*` outside command-line entry points. */
export function findConsole(file: SyntaxFile): Offence[] {
  if (PRINTERS.some((place) => place.test(file.name)) || isTest(file.name)) return [];
  return findNodes(file, "MemberExpression")
    .filter((node) => nameOf(nodeAt(node, "object")) === "console")
    .map((node) => offence(file, node, "console outside a command-line entry point"));
}

/** Files of research packages that may touch the machine's clock, with the reason. */
const CLOCK_KEEPERS: Record<string, string> = {
  "packages/moe-offload/src/tiers/monotonic-clock.ts":
    "the one place where the engine takes real time",
  "packages/shard-chain/src/cluster/machine.ts":
    "the one place where validators on sockets take real time",
};

/** Time and chance that do not come from the run's context, in research packages. */
export function findAmbientTimeAndChance(file: SyntaxFile): Offence[] {
  const inResearch = RESEARCH.some((room) => file.name.startsWith(`packages/${room}/src/`));
  if (!inResearch || file.name in CLOCK_KEEPERS) return [];
  const members = findNodes(file, "MemberExpression").filter((node) =>
    /^(Math\.random|Date\.now|performance\.now|process\.hrtime|crypto\.randomUUID)$/.test(
      `${nameOf(nodeAt(node, "object"))}.${nameOf(nodeAt(node, "property"))}`,
    ),
  );
  const calls = findNodes(file, "CallExpression").filter((node) =>
    /^(setTimeout|setInterval|randomUUID|randomBytes)$/.test(nameOf(nodeAt(node, "callee")) ?? ""),
  );
  const dates = findNodes(file, "NewExpression").filter(
    (node) =>
      nameOf(nodeAt(node, "callee")) === "Date" && (node.arguments as SyntaxNode[]).length === 0,
  );
  return [...members, ...calls, ...dates].map((node) =>
    offence(
      file,
      node,
      `${file.text.slice(node.start, node.end).split("\n")[0]}: take it injected`,
    ),
  );
}
