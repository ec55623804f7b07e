import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { repositoryRoot } from "../repository.ts";
import { type Check, optional } from "./check.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 60_000;

/** TensorFlow's back ends for training, in the order they are tried. */
const BACK_ENDS = [
  { name: "@tensorflow/tfjs-node-gpu", isNative: true },
  { name: "@tensorflow/tfjs-node", isNative: true },
  { name: "@tensorflow/tfjs-backend-wasm", isNative: false },
  { name: "@tensorflow/tfjs-backend-cpu", isNative: false },
] as const;

/**
 * Which of TensorFlow's back ends training could use here. Native ones are loaded, each in a
 * process of its own, since being installed says little about a machine's CUDA.
 *
 * @param bundled packages inside the bundle this runs from
 * @param from a module's path is looked up from here, and from NODE_PATH
 */
export function tensorflowChecks(
  bundled: readonly string[] = [],
  from: string = repositoryRoot,
): Promise<Check[]> {
  return Promise.all(
    BACK_ENDS.map(async ({ isNative, name }) => {
      const what = name.replace("@tensorflow/", "");
      if (bundled.includes(name)) return optional(what, true, "in the bundle");
      const path = findPackage(name, from);
      if (path === undefined) return optional(what, false, "not installed");
      const problem = isNative ? await whyNotLoaded(path) : undefined;
      return problem === undefined
        ? optional(what, true, versionOf(path, name))
        : optional(what, false, `installed, but it does not load: ${problem}`);
    }),
  );
}

function findPackage(name: string, from: string): string | undefined {
  try {
    return createRequire(join(from, "package.json")).resolve(name);
  } catch {
    // Not installed where this looks.
    return undefined;
  }
}

async function whyNotLoaded(path: string): Promise<string | undefined> {
  const script = `await import(${JSON.stringify(pathToFileURL(path).href)}); process.exit(0)`;
  try {
    const args = ["--input-type=module", "--eval", script];
    await run(process.execPath, args, { timeout: TIMEOUT_MS, killSignal: "SIGKILL" });
    return undefined;
  } catch (error) {
    const { signal, stderr = "" } = error as { signal?: string | null; stderr?: string };
    const told = stderr.split("\n").find((line) => /^\w*Error\b/.test(line));
    return told?.trim() ?? (signal ? `it ended by ${signal}` : stderr.trim().slice(0, 200));
  }
}

/** From the package.json above the module. */
function versionOf(path: string, name: string): string {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const text = readFileSync(join(folder, "package.json"), "utf8");
      const manifest = JSON.parse(text) as { name?: string; version?: string };
      if (manifest.name === name) return manifest.version ?? "of unknown version";
    } catch {
      // No package.json here: the package's own lies further up.
    }
  }
  return "of unknown version";
}
