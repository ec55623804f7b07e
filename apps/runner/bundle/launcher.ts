import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findCudaRuntime, withFolders } from "../src/doctor/cuda-runtime.ts";

// `fmlab` in a bundle: tells the code where its parts lie, then runs it. Nothing is installed.
const NODE_MIN = [20, 19] as const;
/** Commands that load ggml in this process. */
const LOADING = new Set(["doctor", "bench"]);
const bundle = dirname(fileURLToPath(import.meta.url));
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
  process.stderr.write(
    `fmlab: Node ${NODE_MIN.join(".")} or newer is needed, this is ${process.version}; ` +
      "use the bundle's own (./fmlab) or make the bundle with --with-node\n",
  );
  process.exit(2);
}

process.env.FMLAB_BUNDLE = bundle;
process.env.GGML_LIB_DIR ||= join(bundle, "ggml");
if (existsSync(join(process.env.GGML_LIB_DIR, "libggml-cuda.so"))) findCudaFirst(process.env);
await import(program(process.argv));

/** The command line, or with `bench NAME` a benchmark that came along, which sees its own flags. */
function program(argv: string[]): string {
  if (argv[2] !== "bench") return "./js/main.mjs";
  const [name] = argv.splice(2, 2).slice(1);
  const file = `bench.${name}.mjs`;
  const names = readdirSync(join(bundle, "js")).filter((one) => one.startsWith("bench."));
  if (names.includes(file)) return `./js/${file}`;
  const known = names.map((one) => one.slice("bench.".length, -".mjs".length)).join(", ");
  process.stderr.write(`fmlab: benchmarks in this bundle: ${known || "none"}\n`);
  process.exit(2);
}

/**
 * The linker reads `LD_LIBRARY_PATH` when a process starts: the processes of runs inherit it, and a
 * command that loads ggml itself is started once more.
 */
function findCudaFirst(env: NodeJS.ProcessEnv): void {
  const { folders } = findCudaRuntime(env);
  const path = withFolders(env.LD_LIBRARY_PATH, folders);
  if (path === (env.LD_LIBRARY_PATH ?? "")) return;
  env.LD_LIBRARY_PATH = path;
  if (!LOADING.has(process.argv[2] ?? "")) return;
  const args = [...process.execArgv, ...process.argv.slice(1)];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
  process.exit(status ?? 1);
}
