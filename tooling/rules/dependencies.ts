import { isBuiltin } from "node:module";
import path from "node:path";
import { isTest } from "../repository/files.ts";
import { type Import, importsOf, packageOf } from "../repository/imports.ts";
import type { Offence, SyntaxFile } from "../repository/syntax.ts";
import {
  type Manifest,
  runtimeDependencies,
  type Workspace,
  workspaceOf,
} from "../repository/workspaces.ts";

/** Packages that hold research or what only research uses. */
export const RESEARCH = [
  "sim",
  "stats",
  "ggml",
  "moe-offload",
  "shard-chain",
  "cnc-brain",
  "fm-planner",
];

/** What research code must be able to live without. */
const PLATFORM =
  /^(@fmlab\/(db|api|registry|web|runner)|react(-dom)?|next|@trpc\/.*|@prisma\/.*|pg)$/;

/** Parts of the dependency rule of ARCHITECTURE.md that one file can break. */
export function findForbiddenImports(
  file: SyntaxFile,
  workspaces: readonly Workspace[],
  root: Manifest,
): Offence[] {
  const workspace = workspaceOf(workspaces, file.name);
  return importsOf(file).flatMap((one) => {
    const what =
      workspace === undefined
        ? problemOutside(file.name, one, root)
        : problemInside(file.name, one, workspace, workspaces, root);
    return what === undefined ? [] : [{ at: `${file.name}:${one.line}`, what }];
  });
}

/** Files of the root (scripts, tooling, configs) run during development only. */
function problemOutside(name: string, { specifier }: Import, root: Manifest): string | undefined {
  const target = packageOf(specifier);
  if (target === undefined || isBuiltin(specifier)) return undefined;
  const known = { ...root.dependencies, ...root.devDependencies };
  // scripts/ starts the platform: it may use what the workspaces it starts depend on.
  if (target in known || name.startsWith("scripts/")) return undefined;
  return `imports ${target}, which the root package.json does not declare`;
}

function problemInside(
  name: string,
  { specifier, typeOnly }: Import,
  workspace: Workspace,
  workspaces: readonly Workspace[],
  root: Manifest,
): string | undefined {
  const target = packageOf(specifier);
  if (target === undefined) return problemOfPath(name, specifier, workspace);
  if (isBuiltin(specifier)) return undefined;
  const room = path.basename(workspace.folder);
  const forbidden = problemOfRoom(workspace, room, specifier, target);
  if (forbidden !== undefined) return forbidden;
  const ours = workspaces.find(({ manifest }) => manifest.name === target);
  if (ours !== undefined && !isExported(ours, specifier)) {
    return `imports ${specifier}, which ${target} does not export`;
  }
  return problemOfDeclaration(name, target, typeOnly, workspace.manifest, root);
}

function problemOfPath(name: string, specifier: string, workspace: Workspace): string | undefined {
  const resolved = path.posix.join(path.posix.dirname(name), specifier);
  if (resolved.startsWith(`${workspace.folder}/`)) return undefined;
  // Tests may use the repository's own set-up and what other packages' tests are made with.
  if (isTest(name) && /^(tooling|scripts)\/|\/test\//.test(resolved)) return undefined;
  return `imports ${specifier}, a file outside ${workspace.folder}; import the package instead`;
}

function problemOfRoom(
  workspace: Workspace,
  room: string,
  specifier: string,
  target: string,
): string | undefined {
  if (target === "@fmlab/web" || target === "@fmlab/runner") {
    return target === workspace.manifest.name ? undefined : `imports the app ${target}`;
  }
  if (room === "experiment" && target.startsWith("@fmlab/") && target !== "@fmlab/experiment") {
    return `imports ${target}: packages/experiment imports nothing of ours`;
  }
  if (RESEARCH.includes(room) && PLATFORM.test(target)) {
    return `imports ${target}: research packages know nothing of the platform`;
  }
  const research = RESEARCH.filter((name) => !["sim", "stats"].includes(name));
  const isResearch = research.some((name) => target === `@fmlab/${name}`);
  if (isResearch && ["registry", "api", "db", "web"].includes(room)) {
    return specifier.endsWith("/definitions")
      ? undefined
      : `imports ${specifier}: only its ./definitions, which load nothing native`;
  }
  return undefined;
}

function isExported({ manifest }: Workspace, specifier: string): boolean {
  return `.${specifier.slice(manifest.name.length)}` in (manifest.exports ?? {});
}

function problemOfDeclaration(
  name: string,
  target: string,
  typeOnly: boolean,
  manifest: Manifest,
  root: Manifest,
): string | undefined {
  if (target === manifest.name) return undefined;
  if (target in runtimeDependencies(manifest) || target in (manifest.peerDependencies ?? {})) {
    return undefined;
  }
  const isLate = isTest(name) || typeOnly || /\.config\.(ts|mjs)$/.test(name);
  if (isLate && target in { ...manifest.devDependencies, ...root.devDependencies })
    return undefined;
  return `imports ${target}, which ${manifest.name} does not declare`;
}

/**
 * A path of packages that leads back to its start, by what they declare; undefined when there is
 * none.
 */
export function findCycle(workspaces: readonly Workspace[]): string[] | undefined {
  const graph = new Map(
    workspaces.map(({ manifest }) => [
      manifest.name,
      Object.keys({ ...runtimeDependencies(manifest), ...manifest.devDependencies }).filter(
        (name) => name.startsWith("@fmlab/"),
      ),
    ]),
  );
  const finished = new Set<string>();
  const visit = (name: string, trail: string[]): string[] | undefined => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    if (finished.has(name)) return undefined;
    for (const next of graph.get(name) ?? []) {
      const cycle = visit(next, [...trail, name]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(name);
    return undefined;
  };
  for (const name of graph.keys()) {
    const cycle = visit(name, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
