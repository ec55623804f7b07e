import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve } from "node:path";
import { build, type OutputFile, type Plugin } from "esbuild";

/** Modules that are native or exist only on some machines: never part of the JavaScript. */
const LEFT_OUT = ["@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu", "@node-llama-cpp/*"];

/** A thread's or a child process's entry: `new URL("./x.mjs", import.meta.url)`. */
const ENTRY_URL = /new URL\(\s*"(\.{1,2}\/[^"]+\.mjs)",\s*import\.meta\.url,?\s*\)/g;
/** A script of another language that lies beside the source that runs it. */
const SCRIPT_URL = /new URL\("([\w-]+\.py)",\s*import\.meta\.url\)/g;
/** In an entry, how it loads TypeScript: nothing else is loaded by a relative `require`. */
const ENTRY_LOAD = /createRequire\(import\.meta\.url\)\(("\.[^"]+")\)/g;
const KOFFI_LOAD = /createRequire\(import\.meta\.url\)\("koffi"\)/g;

/** The CommonJS packages inside ask for Node's own modules, and for files beside themselves. */
const BANNER = [
  'import { createRequire as requireOfBundle } from "node:module";',
  'import { fileURLToPath as pathOfBundle } from "node:url";',
  "const require = requireOfBundle(import.meta.url);",
  'const __dirname = pathOfBundle(new URL("../native", import.meta.url));',
].join(" ");

/** What was bundled. */
export interface BundledJavaScript {
  /** Entries of threads and child processes that were found in the sources, by output name. */
  entries: Record<string, string>;
  /** Every source file that is inside, relative to the checkout, `/` between parts. */
  inputs: string[];
}

/**
 * Bundles the command line and every entry of a thread or a child process that its code names into
 * one folder: `main.mjs`, the entries and the chunks they share. An entry that is named in a new
 * place is found by itself.
 *
 * @param root the checkout
 * @param folder written to; all files lie directly in it
 * @param benches benchmarks that go along, `NAME.bench.ts`; they become `bench.NAME.mjs`
 * @throws Error naming the source when something in the output would still need a package
 */
export async function bundleJavaScript(
  root: string,
  folder: string,
  benches: readonly string[] = [],
): Promise<BundledJavaScript> {
  const main = join(root, "apps/runner/src/cli/main.ts");
  const programs = {
    main,
    ...Object.fromEntries(benches.map((path) => [`bench.${basename(path, ".bench.ts")}`, path])),
  };
  const entries: Record<string, string> = {};
  // Entries name entries of their own: built again until no new one is found.
  for (;;) {
    const found = new Map<string, string>();
    const sources = { ...programs, ...entries };
    const { metafile, outputFiles } = await buildOnce(root, folder, sources, found);
    const isComplete = [...found.keys()].every((name) => name in entries);
    Object.assign(entries, Object.fromEntries(found));
    if (!isComplete) continue;
    checkOutputs(outputFiles);
    mkdirSync(folder, { recursive: true });
    for (const { contents, path } of outputFiles) writeFileSync(path, contents);
    const inputs = Object.keys(metafile.inputs).map((input) => resolve(root, input));
    for (const { text } of outputFiles) copyScripts(text, inputs, folder);
    return { entries, inputs: Object.keys(metafile.inputs).sort() };
  }
}

/** Lays the scripts that an output names beside it, from beside the source that names them. */
function copyScripts(text: string, inputs: readonly string[], folder: string): void {
  for (const [, name = ""] of text.matchAll(SCRIPT_URL)) {
    const beside = inputs.map((input) => join(dirname(input), name)).find((one) => existsSync(one));
    if (beside === undefined)
      throw new Error(`${name} does not lie beside the source that names it`);
    copyFileSync(beside, join(folder, name));
  }
}

/** One pass; nothing is written, since chunks of passes that missed an entry are of no use. */
function buildOnce(
  root: string,
  folder: string,
  entryPoints: Record<string, string>,
  found: Map<string, string>,
) {
  return build({
    absWorkingDir: root,
    write: false,
    entryPoints,
    outdir: folder,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    outExtension: { ".js": ".mjs" },
    entryNames: "[name]",
    chunkNames: "chunk-[hash]",
    // A native module of this machine's kind goes along beside the JavaScript that loads it.
    assetNames: "[name]",
    loader: { ".node": "copy" },
    external: LEFT_OUT,
    banner: { js: BANNER },
    plugins: [withoutLoader(), relocated(root, found)],
    metafile: true,
    logLevel: "silent",
  });
}

/** Sources need tsx to be translated when they are loaded; a bundle holds JavaScript. */
function withoutLoader(): Plugin {
  return {
    name: "without-loader",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^tsx\/(esm|cjs)\/api$/ }, ({ path }) => ({ path, namespace: "no-tsx" }));
      onLoad({ filter: /.*/, namespace: "no-tsx" }, () => ({
        contents: "export function register() {}",
      }));
    },
  };
}

/** Our own sources, with what they find beside themselves moved to where the bundle has it. */
function relocated(root: string, found: Map<string, string>): Plugin {
  return {
    name: "relocated",
    setup({ onLoad }) {
      onLoad({ filter: /[\\/](apps|packages)[\\/].*\.(ts|mjs)$/ }, async ({ path }) => {
        if (path.includes("node_modules")) return undefined;
        const isEntry = path.endsWith(".mjs");
        const text = await readFile(path, "utf8");
        const contents = text
          .replaceAll(ENTRY_URL, (_, specifier: string) => {
            const source = resolve(dirname(path), specifier);
            const name = entryName(root, source);
            found.set(name, source);
            return `new URL("./${name}.mjs", import.meta.url)`;
          })
          .replaceAll(KOFFI_LOAD, 'createRequire(import.meta.url)("../native/koffi.cjs")')
          .replaceAll(ENTRY_LOAD, (whole, specifier: string) =>
            isEntry ? `await import(${specifier})` : whole,
          );
        return { contents, loader: isEntry ? "js" : "ts" };
      });
    },
  };
}

/** `packages/moe-offload/src/decode/worker.mjs` is `moe-offload.decode.worker`. */
function entryName(root: string, source: string): string {
  const parts = relative(root, source).split(/[\\/]/).slice(1);
  return parts
    .filter((part) => part !== "src")
    .join(".")
    .replace(/\.mjs$/, "");
}

/** Nothing may be left that only works in a checkout. */
function checkOutputs(files: readonly OutputFile[]): void {
  const names = new Set(files.map(({ path }) => basename(path)));
  for (const { path, text } of files) {
    for (const [, specifier = ""] of text.matchAll(ENTRY_URL)) {
      if (names.has(basename(specifier))) continue;
      throw new Error(`${path} starts ${specifier}, which is not in the bundle`);
    }
    const left = /\brequire\w*\("(koffi|tsx\/[^"]*)"\)|\)\("(koffi)"\)/.exec(text);
    if (left !== null) {
      throw new Error(
        `${path} still loads ${left[1] ?? left[2]}; in the sources write ` +
          'createRequire(import.meta.url)("koffi"), which bundling knows',
      );
    }
  }
}

/**
 * Bundles koffi's own JavaScript into one CommonJS file that loads `koffi.node` beside it.
 *
 * @returns the native module of this platform that has to lie there
 */
export async function bundleKoffi(root: string, outfile: string): Promise<string> {
  const require = createRequire(join(root, "packages/ggml/package.json"));
  const native = `@koromix/koffi-${process.platform}-${process.arch}`;
  await build({
    absWorkingDir: root,
    entryPoints: [require.resolve("koffi")],
    outfile,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20.19",
    plugins: [
      {
        name: "native-beside",
        setup({ onResolve }) {
          onResolve({ filter: /^@koromix\// }, ({ path }) => ({
            path: path === native ? "./koffi.node" : path,
            external: true,
          }));
        },
      },
    ],
    logLevel: "silent",
  });
  const packageFolder = dirname(createRequire(require.resolve("koffi")).resolve(native));
  const system = process.platform === "linux" && !isGlibc() ? "musl" : process.platform;
  return join(packageFolder, `${system}_${process.arch}`, "koffi.node");
}

function isGlibc(): boolean {
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime !== undefined;
}

/** Bundles the launcher into one file; it finds the rest beside itself. */
export async function bundleLauncher(root: string, outfile: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, "apps/runner/bundle/launcher.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    // An old Node must be able to read it, to be told that it is too old.
    target: "node16",
    supported: { "top-level-await": true },
    external: ["./js/*"],
    banner: { js: "#!/usr/bin/env node" },
    logLevel: "silent",
  });
}
