import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { GgmlError } from "./errors.ts";

/** The two shared libraries of ggml that are linked by name; CPU and GPU back ends are plugins. */
export interface LibraryPaths {
  readonly directory: string;
  /** `ggml-base`: tensors, graphs, buffers. */
  readonly base: string;
  /** `ggml`: the registry that loads the back ends lying beside it. */
  readonly registry: string;
}

const BASE_FILE = /^(lib)?ggml-base\.(so|dylib|dll)$/;
// The prebuilt packages put the llama.cpp build into the name (libggml.b7347.so).
const REGISTRY_FILE = /^(lib)?ggml(\.(cuda|vulkan|metal))?(\.b\d+)?\.(so|dylib|dll)$/;

/** npm packages that carry ggml for a platform, the first that is installed wins. */
const PACKAGES: Record<string, readonly string[]> = {
  "linux-x64": ["linux-x64"],
  "linux-arm64": ["linux-arm64"],
  "linux-arm": ["linux-armv7l"],
  "darwin-arm64": ["mac-arm64-metal"],
  "darwin-x64": ["mac-x64"],
  "win32-x64": ["win-x64"],
  "win32-arm64": ["win-arm64"],
};

/**
 * Finds ggml's shared libraries: in `GGML_LIB_DIR` when that is set, else in the installed
 * `@node-llama-cpp/<platform>` package.
 * @throws GgmlError `LIBRARY_NOT_FOUND` with the places that were searched
 */
export function findLibraries(env: Record<string, string | undefined> = process.env): LibraryPaths {
  const searched: string[] = [];
  for (const directory of candidateDirectories(env, searched)) {
    const found = librariesIn(directory);
    if (found) return found;
    searched.push(directory);
  }
  const remedy = env.GGML_LIB_DIR
    ? "GGML_LIB_DIR must name a folder with libggml-base and libggml (build ggml with " +
      "-DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON), or be unset"
    : "run `npm ci` without --omit=optional, or set GGML_LIB_DIR to a folder with your own build";
  throw new GgmlError(
    `ggml's shared libraries were not found for ${process.platform}-${process.arch} ` +
      `(searched: ${searched.join(", ") || "nothing"}); ${remedy}`,
    { code: "LIBRARY_NOT_FOUND", searched },
  );
}

function candidateDirectories(
  env: Record<string, string | undefined>,
  searched: string[],
): string[] {
  if (env.GGML_LIB_DIR) return [path.resolve(env.GGML_LIB_DIR)];
  const require = createRequire(import.meta.url);
  const directories: string[] = [];
  for (const name of PACKAGES[`${process.platform}-${process.arch}`] ?? []) {
    try {
      const main = require.resolve(`@node-llama-cpp/${name}`);
      directories.push(path.join(path.dirname(main), "..", "bins", name));
    } catch (error) {
      if ((error as { code?: string }).code !== "MODULE_NOT_FOUND") throw error;
      searched.push(`@node-llama-cpp/${name} (not installed)`);
    }
  }
  return directories;
}

function librariesIn(directory: string): LibraryPaths | undefined {
  if (!existsSync(directory)) return undefined;
  const files = readdirSync(directory);
  const base = files.find((file) => BASE_FILE.test(file));
  const registry = files.find((file) => REGISTRY_FILE.test(file));
  if (!base || !registry) return undefined;
  return {
    directory,
    base: path.join(directory, base),
    registry: path.join(directory, registry),
  };
}
