import { readdirSync } from "node:fs";
import { GPU_BACKENDS, type GpuBackend } from "@fmlab/experiment";
import { type BackEndReport, probeDevices } from "../doctor/device-probe.ts";

let known: Promise<GpuBackend[]> | undefined;

/**
 * The GPU back ends of ggml that work here: their library lies beside ggml's and finds a device.
 * `fmlab doctor` says why one does not. Tried only where there is a library to try, and once a
 * process, since waking a driver takes its time.
 */
export function gpuBackends(): Promise<GpuBackend[]> {
  known ??= libraryFiles().then(workingBackends);
  return known;
}

/**
 * The back ends among ggml's files that work.
 *
 * @param probe asks ggml, in a process of its own
 */
export async function workingBackends(
  files: readonly string[],
  probe: () => Promise<{ backEnds: BackEndReport[] }> = probeDevices,
): Promise<GpuBackend[]> {
  const installed = GPU_BACKENDS.filter((backend) =>
    files.some((file) => new RegExp(`^(lib)?ggml-${backend}\\.(so|dll|dylib)$`).test(file)),
  );
  if (installed.length === 0) return [];
  const { backEnds } = await probe();
  return installed.filter((backend) =>
    backEnds.some(({ api, state }) => api === backend && state === "works"),
  );
}

async function libraryFiles(): Promise<string[]> {
  try {
    const { findLibraries } = await import("@fmlab/ggml");
    return readdirSync(findLibraries().directory);
  } catch {
    // Without ggml there is nothing to try; `ggmlProblem` of the capabilities says why.
    return [];
  }
}
