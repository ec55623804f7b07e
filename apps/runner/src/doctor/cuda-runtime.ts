import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";

/** What ggml's CUDA back end is linked with, beside the driver's own libcuda.so.1. */
export const CUDA_LIBRARIES = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13"] as const;

/** Where the linker looks by itself; a folder found here need not be told to it. */
const SYSTEM_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/lib64",
  "/usr/lib",
  "/usr/local/lib",
];
const PYTHONS = ["python3", "python"];
const PYTHON_FOLDERS = ["/usr/bin", "/usr/local/bin", "/opt/conda/bin", "/opt/venv/bin"];
const PYTHON_TIMEOUT_MS = 5_000;

/** Where CUDA's runtime lies on this machine. */
export interface CudaRuntime {
  /** Folder of each library that was found. */
  found: Readonly<Record<string, string>>;
  missing: readonly string[];
  /** What the linker must be told: folders of found libraries outside its own, each once. */
  folders: readonly string[];
}

/** Where to look; for tests, whose machine is a folder. */
export interface CudaSearch {
  /** Put before every absolute folder that is looked into. */
  root?: string;
  /** Folders of Python's `nvidia` package; asked of the machine's Pythons by default. */
  pythonFolders?: (env: NodeJS.ProcessEnv) => readonly string[];
}

/**
 * Finds CUDA 13's runtime: in `LD_LIBRARY_PATH`, the linker's own folders, `CUDA_HOME` or
 * `CUDA_PATH`, /usr/local/cuda*, and last in what Python's nvidia packages carry (`pip install
 * nvidia-cublas nvidia-cuda-runtime`), for which Python has to be started.
 */
export function findCudaRuntime(env: NodeJS.ProcessEnv, search: CudaSearch = {}): CudaRuntime {
  const { root = "", pythonFolders = askPython } = search;
  const found: Record<string, string> = {};
  const look = (folders: readonly string[]) => {
    for (const folder of folders) {
      for (const library of CUDA_LIBRARIES) {
        if (!(library in found) && existsSync(join(folder, library))) found[library] = folder;
      }
    }
    return CUDA_LIBRARIES.every((library) => library in found);
  };
  const told = (env.LD_LIBRARY_PATH ?? "").split(delimiter).filter(Boolean);
  const system = SYSTEM_FOLDERS.map((folder) => `${root}${folder}`);
  const isComplete = look(told) || look(system) || look(toolkitFolders(env, root));
  if (!isComplete) look(pythonFolders(env).flatMap(libraryFolders));
  const known = new Set([...told, ...system]);
  return {
    found,
    missing: CUDA_LIBRARIES.filter((library) => !(library in found)),
    folders: [...new Set(Object.values(found))].filter((folder) => !known.has(folder)),
  };
}

/** A path list with folders put before it; those it has already are not repeated. */
export function withFolders(path: string | undefined, folders: readonly string[]): string {
  const old = (path ?? "").split(delimiter).filter(Boolean);
  return [...folders.filter((folder) => !old.includes(folder)), ...old].join(delimiter);
}

function toolkitFolders(env: NodeJS.ProcessEnv, root: string): string[] {
  const local = `${root}/usr/local`;
  const named = [env.CUDA_HOME ?? "", env.CUDA_PATH ?? ""].filter(Boolean);
  const usual = namesIn(local).filter((name) => name.startsWith("cuda"));
  return [...named, ...usual.map((name) => join(local, name))].flatMap((folder) => [
    join(folder, "lib64"),
    join(folder, "targets/x86_64-linux/lib"),
    join(folder, "lib"),
  ]);
}

/** `nvidia/cu13/lib`, `nvidia/cublas/lib` and the like. */
function libraryFolders(nvidia: string): string[] {
  return namesIn(nvidia).map((name) => join(nvidia, name, "lib"));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    // It is not there: nothing to find in it.
    return [];
  }
}

function askPython(env: NodeJS.ProcessEnv): string[] {
  const script = "import nvidia; print('\\n'.join(nvidia.__path__))";
  const own = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter(Boolean).map((one) => `${one}/bin`);
  const places = [...own, ...(env.PATH ?? "").split(delimiter).filter(Boolean), ...PYTHON_FOLDERS];
  const programs = places
    .flatMap((folder) => PYTHONS.map((name) => join(folder, name)))
    .filter((path) => existsSync(path))
    .map((path) => ({ path, target: realpathSync(path) }));
  const asked = new Map(programs.reverse().map(({ path, target }) => [target, path]));
  return [...asked.values()].reverse().flatMap((python) => {
    try {
      const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
      const options = { encoding: "utf8" as const, stdio, timeout: PYTHON_TIMEOUT_MS };
      return execFileSync(python, ["-c", script], options).split("\n").filter(Boolean);
    } catch {
      // This one has no such packages, or does not run: another may.
      return [];
    }
  });
}
