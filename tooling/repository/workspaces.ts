import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { inRoot, readText } from "./files.ts";

/** What of a package.json matters here. */
export interface Manifest {
  name: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  exports?: Record<string, string>;
  bin?: Record<string, string> | string;
  scripts?: Record<string, string>;
}

/** A package or app of this repository. */
export interface Workspace {
  /** Relative to the root, e.g. `packages/sim`. */
  folder: string;
  manifest: Manifest;
}

/** The root's own package.json. */
export function rootManifest(): Manifest {
  return JSON.parse(readText("package.json")) as Manifest;
}

/** All packages and apps, in order of folder. */
export function listWorkspaces(): Workspace[] {
  return ["apps", "packages"].flatMap((room) =>
    readdirSync(inRoot(room))
      .map((name) => path.posix.join(room, name))
      .filter((folder) => existsSync(inRoot(`${folder}/package.json`)))
      .sort()
      .map((folder) => ({
        folder,
        manifest: JSON.parse(readText(`${folder}/package.json`)) as Manifest,
      })),
  );
}

/** The workspace a file lies in; undefined for files of the root. */
export function workspaceOf(workspaces: readonly Workspace[], file: string): Workspace | undefined {
  return workspaces.find(({ folder }) => file.startsWith(`${folder}/`));
}

/** Dependencies that are there at run time. */
export function runtimeDependencies(manifest: Manifest): Record<string, string> {
  return { ...manifest.dependencies, ...manifest.optionalDependencies };
}
