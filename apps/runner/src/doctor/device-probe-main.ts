import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { join } from "node:path";
import { type Device, findLibraries, GgmlLibrary } from "@fmlab/ggml";
import type { BackEndReport, DeviceReport, FoundDevice } from "./device-probe.ts";

// Runs in a process of its own: a driver that aborts ends nothing else.
process.send?.(look(), () => process.exit());

function look(): DeviceReport {
  const koffi = tryTo(
    () => (createRequire(import.meta.url)("koffi") as { version: string }).version,
  );
  const loaded = tryTo(() => GgmlLibrary.load());
  const report: DeviceReport = { koffi, ggml: loaded, devices: [], backEnds: [] };
  if ("problem" in loaded) return report;
  const { devices, directory, version } = loaded.value;
  const found = devices.map(describe);
  return {
    koffi,
    ggml: { value: { directory, version } },
    devices: found,
    backEnds: (["cuda", "vulkan"] as const).map((api) =>
      backEndOf(api, found, findLibraries().directory),
    ),
  };
}

function tryTo<T>(act: () => T): { value: T } | { problem: string } {
  try {
    return { value: act() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

function describe(device: Device): FoundDevice {
  const { api, description, kind, name } = device;
  return { name, description, api, kind, ...device.memory() };
}

function backEndOf(
  api: "cuda" | "vulkan",
  devices: readonly FoundDevice[],
  directory: string,
): BackEndReport {
  const file = readdirSync(directory).find((name) => name.startsWith(`libggml-${api}.`));
  if (file === undefined) return { api, state: "not built" };
  if (devices.some((device) => device.api === api)) return { api, state: "works" };
  const problem = whyNotLoaded(join(directory, file));
  return problem === undefined ? { api, state: "no device" } : { api, state: "broken", problem };
}

/** The linker's own words; undefined when the library loads. */
function whyNotLoaded(path: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW);
  } catch (error) {
    const { message } = error as Error;
    // It was loaded and is, rightly, no module of Node.
    if (/did not self-register/.test(message)) return undefined;
    return message;
  }
  return undefined;
}
