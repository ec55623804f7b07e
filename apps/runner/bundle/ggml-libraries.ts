import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findLibraries } from "@fmlab/ggml";
import { keepArchitecture } from "./fat-binary.ts";
import { fetchPackage, type PinnedPackage, unpack } from "./npm-package.ts";
import { writeSparse } from "./sparse-file.ts";

/** Which GPU back end lies beside the one for CPUs. */
export const GPU_BACK_ENDS = ["none", "cuda", "vulkan"] as const;
export type GpuBackEnd = (typeof GPU_BACK_ENDS)[number];

// The newest whose CUDA code is built with CUDA 13.0 and holds machine code for sm_90; the CPU
// libraries of packages/ggml are the same version.
const VERSION = "3.14.5";
const PACKAGES: Record<Exclude<GpuBackEnd, "none">, PinnedPackage> = {
  cuda: {
    name: "@node-llama-cpp/linux-x64-cuda",
    version: VERSION,
    integrity:
      "sha512-yk0EGnAJ+m/paSaItigmxcqC8nNjZlkx9yZgQE51CsTip7tmnqqlj60pW1fWmhrjOJ9XnRlVVTP81fa9B+O1Hg==",
  },
  vulkan: {
    name: "@node-llama-cpp/linux-x64-vulkan",
    version: VERSION,
    integrity:
      "sha512-9wZG90CUyyO8EsqfDEh03/fK0ctbQFbKaAFa6Goh+jFLOtqPL+plLqAsW3jDFdLRF5+oAPTKt9/4Y7vHTajQbQ==",
  },
};

const CUDA_LIBRARY = "libggml-cuda.so";
/** The binding opens these by path; the others ask for libggml-base by its `.so.0` name. */
const NEEDED = /^libggml(-base\.so(\.0)?|-(cpu-[a-z0-9]+|vulkan)\.so|(\.[a-z]+)?\.b\d+\.so)$/;
const LLAMA = /^(libllama(\.[a-z]+)?\.b\d+\.so|libggml(\.[a-z]+)?\.b\d+\.so\.0)$/;

/** What of ggml a bundle shall hold. */
export interface GgmlChoice {
  gpu: GpuBackEnd;
  /** GPU architecture whose CUDA code is kept; all of it when undefined. */
  architecture: number | undefined;
  /** libllama too, for benchmarks against llama.cpp. */
  llama: boolean;
}

/**
 * Copies ggml's libraries into one folder: the installed ones for CPUs alone, else those of the
 * package with that GPU's back end, which is fetched.
 *
 * @returns what is in it, for the bundle's record
 * @throws Error when the package cannot be had, or holds no code for the architecture
 */
export async function copyGgml(
  choice: GgmlChoice,
  folder: string,
  cacheFolder: string,
): Promise<{ source: string; cuda?: { architecture: number | null; clearedBytes: number } }> {
  mkdirSync(folder, { recursive: true });
  const { gpu, llama } = choice;
  if (gpu === "none") {
    const { directory } = findLibraries();
    copyLibraries(directory, folder, llama);
    return { source: `@node-llama-cpp/${process.platform}-${process.arch}@${VERSION}` };
  }
  if (`${process.platform}-${process.arch}` !== "linux-x64") {
    throw new Error(`bundles with ${gpu} are made on linux-x64, this is ${process.platform}`);
  }
  const pinned = PACKAGES[gpu];
  const archive = await fetchPackage(pinned, cacheFolder);
  const unpacked = mkdtempSync(join(tmpdir(), "fmlab-bundle-"));
  try {
    await unpack(archive, unpacked);
    const directory = join(unpacked, "package", "bins", `linux-x64-${gpu}`);
    copyLibraries(directory, folder, llama);
    const source = `${pinned.name}@${pinned.version}`;
    if (gpu !== "cuda") return { source };
    return { source, cuda: copyCuda(directory, folder, choice.architecture) };
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

function copyLibraries(from: string, to: string, withLlama: boolean): void {
  for (const name of readdirSync(from)) {
    if (!NEEDED.test(name) && !(withLlama && LLAMA.test(name))) continue;
    copyFileSync(join(from, name), join(to, name));
  }
}

function copyCuda(from: string, to: string, architecture: number | undefined) {
  const library = readFileSync(join(from, CUDA_LIBRARY));
  const clearedBytes =
    architecture === undefined ? 0 : keepArchitecture(library, architecture).clearedBytes;
  writeSparse(join(to, CUDA_LIBRARY), library);
  return { architecture: architecture ?? null, clearedBytes };
}
