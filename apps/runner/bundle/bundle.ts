import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { BundleRecord } from "../src/bundle-record.ts";
import { usageError } from "../src/errors.ts";
import { codeFacts } from "../src/reproduction/code-facts.ts";
import { copyGgml, type GgmlChoice } from "./ggml-libraries.ts";
import { bundleJavaScript, bundleKoffi, bundleLauncher } from "./javascript.ts";

/** What a bundle is made of. */
export interface BundleOptions extends GgmlChoice {
  /** The folder to write; empty, new, or an earlier bundle, whose parts are replaced. */
  out: string;
  /** Copies the Node that runs this. */
  node: boolean;
  /** Benchmarks that go along, by path; `fmlab bench NAME` runs them there. */
  benches?: readonly string[];
  /** Copies the model that comes with the repository. */
  model: boolean;
  /** Where fetched packages are kept. */
  cacheFolder: string;
}

/** What was made. */
export interface MadeBundle {
  record: BundleRecord;
  /** Sources inside the JavaScript, relative to the checkout. */
  inputs: string[];
  /** Entries of threads and child processes, by name. */
  entries: Record<string, string>;
}

/** Everything this writes; of an earlier bundle nothing else is touched, e.g. no runs. */
const PARTS = [
  ...["js", "native", "ggml", "models", "node", "licences"],
  ...["fmlab", "fmlab.mjs", "bundle.json", "package.json"],
];
const MODEL_FILES = [
  "README.md",
  "tiny-story-moe.q8_0.gguf",
  "tiny-story-moe.q8_0.calibration.gguf",
];

// No program but the shell itself is needed, so that it runs with an empty PATH.
const SHELL_LAUNCHER = `#!/bin/sh
case $0 in */*) here=\${0%/*} ;; *) here=. ;; esac
if [ -L "$0" ]; then real=$(readlink -f "$0"); here=\${real%/*}; fi
exec "$here/node/node" "$here/fmlab.mjs" "$@"
`;

/**
 * Makes one folder that runs `fmlab` with nothing installed.
 *
 * @param root the checkout
 * @throws RunnerError `USAGE` when `out` holds something that is no bundle
 * @throws Error when a part cannot be had; the message says what to do
 */
export async function makeBundle(root: string, options: BundleOptions): Promise<MadeBundle> {
  const { out } = options;
  requireReplaceable(out);
  mkdirSync(dirname(out), { recursive: true });
  // Made beside it and then moved: what cannot be finished leaves an earlier bundle as it was.
  const staging = mkdtempSync(join(dirname(out), ".fmlab-bundle-"));
  try {
    const made = await fill(root, staging, options);
    mkdirSync(out, { recursive: true });
    for (const part of PARTS) {
      rmSync(join(out, part), { recursive: true, force: true });
      if (existsSync(join(staging, part))) renameSync(join(staging, part), join(out, part));
    }
    return made;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function fill(root: string, folder: string, options: BundleOptions): Promise<MadeBundle> {
  const parts = [
    bundleJavaScript(root, join(folder, "js"), options.benches),
    copyGgml(options, join(folder, "ggml"), options.cacheFolder),
    bundleLauncher(root, join(folder, "fmlab.mjs")),
    copyKoffi(root, join(folder, "native")),
  ] as const;
  // Of a part that fails nothing may go on writing when the folder is removed.
  await Promise.allSettled(parts);
  const [javascript, ggml] = await Promise.all(parts);
  chmodSync(join(folder, "fmlab.mjs"), 0o755);
  copyWasm(root, javascript.inputs, join(folder, "native"));
  mkdirSync(join(folder, "models"), { recursive: true });
  if (options.model) copyFiles(join(root, "models"), join(folder, "models"), MODEL_FILES);
  if (options.node) copyNode(folder);
  copyLicences(root, join(folder, "licences"), options.node);
  const code = await codeFacts(root);
  const record: BundleRecord = {
    format: 1,
    code,
    platform: `${process.platform}-${process.arch}`,
    gpu: options.gpu,
    ggml,
    packages: packagesOf(javascript.inputs),
    node: options.node ? process.version : null,
  };
  writeJson(join(folder, "bundle.json"), record);
  const manifest = { name: "fmlab", version: code.fmlabVersion, private: true, type: "module" };
  writeJson(join(folder, "package.json"), manifest);
  return { record, ...javascript };
}

/** Names of the packages that sources come from. */
function packagesOf(inputs: readonly string[]): string[] {
  const names = inputs.flatMap((path) => {
    const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
    return name === undefined ? [] : [name];
  });
  return [...new Set(names)].sort();
}

function requireReplaceable(out: string): void {
  const names = existsSync(out) ? readdirSync(out) : [];
  if (names.length === 0 || names.includes("bundle.json")) return;
  throw usageError(`${out} holds something that is no bundle; name an empty or a new folder`);
}

async function copyKoffi(root: string, folder: string): Promise<void> {
  const native = await bundleKoffi(root, join(folder, "koffi.cjs"));
  copyFileSync(native, join(folder, "koffi.node"));
  // The bundle's own package.json says that `.cjs` aside everything is a module.
  writeJson(join(folder, "package.json"), { type: "commonjs" });
}

/** TensorFlow's WebAssembly, which its JavaScript reads from files. */
function copyWasm(root: string, inputs: readonly string[], folder: string): void {
  const input = inputs.find((path) => path.includes("@tensorflow/tfjs-backend-wasm/dist/"));
  if (input === undefined) return;
  const dist = join(root, input.slice(0, input.indexOf("/dist/")), "dist");
  const names = readdirSync(dist).filter((name) => name.endsWith(".wasm"));
  copyFiles(dist, folder, names);
}

function copyNode(out: string): void {
  mkdirSync(join(out, "node"), { recursive: true });
  copyFileSync(realpathSync(process.execPath), join(out, "node", "node"));
  chmodSync(join(out, "node", "node"), 0o755);
  writeFileSync(join(out, "fmlab"), SHELL_LAUNCHER, { mode: 0o755 });
}

/** Ours, the list of what is inside with its licences, and the texts that must go along. */
function copyLicences(root: string, folder: string, withNode: boolean): void {
  copyFiles(root, folder, ["LICENSE", "THIRD_PARTY.md"]);
  const packages = join(root, "node_modules");
  copyAs(join(packages, "koffi", "LICENSE.txt"), folder, "koffi.txt");
  const ggml = join(packages, "@node-llama-cpp", `${process.platform}-${process.arch}`);
  copyAs(join(ggml, "LICENSE"), folder, "node-llama-cpp-and-ggml.txt");
  if (!withNode) return;
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const places = ["share/doc/nodejs/LICENSE", "share/doc/nodejs/copyright", "LICENSE"];
  const found = places.map((place) => join(prefix, place)).find((path) => existsSync(path));
  if (found !== undefined) copyAs(found, folder, "node.txt");
}

function copyFiles(from: string, to: string, names: readonly string[]): void {
  for (const name of names) copyAs(join(from, name), to, name);
}

function copyAs(path: string, folder: string, name: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, name), readFileSync(path));
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
