import { existsSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import { gpuTag, type MachineFacts } from "@fmlab/experiment";
import { gpuBackends } from "../gpu/gpu-backends.ts";
import type { Folders } from "../repository.ts";

const TAGS_MAX = 10_000;
const TAG_CHARACTERS_MAX = 512;
const DEPTH_MAX = 8;

/** What a machine offers to runs, as tags, and why it offers no more. */
export interface Capabilities {
  tags: string[];
  /** Reason ggml cannot be used here; undefined when it can. */
  ggmlProblem: string | undefined;
  /** True when there were more files than tags may be given. */
  isCut: boolean;
}

/**
 * Looks at this machine: `ggml`, `gpu`, `gpu:cuda` and `gpu:vulkan` for ggml's back ends that work,
 * `model:<path>` and `data:<path>` for its files.
 */
export async function findCapabilities(
  facts: MachineFacts,
  folders: Folders,
): Promise<Capabilities> {
  const ggmlProblem = await findGgmlProblem();
  const backends = await gpuBackends();
  const hasGpu = facts.gpus.length > 0 || backends.length > 0;
  const tags = [
    ...(ggmlProblem === undefined ? ["ggml"] : []),
    ...(hasGpu ? ["gpu"] : []),
    ...backends.map(gpuTag),
    ...(await filesIn(folders.modelsDir))
      .filter((path) => path.endsWith(".gguf"))
      .map((path) => `model:${path}`),
    ...(folders.dataDir === undefined
      ? []
      : (await filesIn(folders.dataDir)).map((p) => `data:${p}`)),
  ].filter((tag) => tag.length <= TAG_CHARACTERS_MAX);
  const isCut = tags.length > TAGS_MAX;
  return { tags: tags.slice(0, TAGS_MAX), ggmlProblem, isCut };
}

async function findGgmlProblem(): Promise<string | undefined> {
  try {
    const { findLibraries } = await import("@fmlab/ggml");
    findLibraries();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Files under a folder, by relative path, sorted; hidden ones are left out. Of links only those to
 * files inside the folder are told: a run may not read what lies elsewhere, so it is not offered.
 */
async function filesIn(folder: string, prefix = "", depth = 0): Promise<string[]> {
  if (depth > DEPTH_MAX || !existsSync(folder)) return [];
  const found: string[] = [];
  const entries = await readdir(join(folder, prefix), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".") || found.length >= TAGS_MAX) continue;
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesIn(folder, path, depth + 1)));
    else if (entry.isFile()) found.push(path);
    else if (entry.isSymbolicLink() && (await leadsToFileInside(folder, path))) found.push(path);
  }
  return found;
}

async function leadsToFileInside(folder: string, path: string): Promise<boolean> {
  try {
    const target = await realpath(join(folder, path));
    const inside = relative(await realpath(folder), target);
    const isInside = inside !== ".." && !inside.startsWith(`..${sep}`) && !isAbsolute(inside);
    return isInside && (await stat(target)).isFile();
  } catch {
    // A link to nothing.
    return false;
  }
}
