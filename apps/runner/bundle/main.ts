import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { isDomainError } from "@fmlab/experiment";
import { note, out as print } from "../src/cli/terminal.ts";
import { usageError } from "../src/errors.ts";
import { machineFolders, repositoryRoot } from "../src/repository.ts";
import { type BundleOptions, makeBundle } from "./bundle.ts";
import { GPU_BACK_ENDS } from "./ggml-libraries.ts";
import { measureParts, sizeTable } from "./size-table.ts";

// `npm run bundle -w apps/runner -- --out DIR ...`; docs/guides/bare-machine.md explains it.
const USAGE = `npm run bundle -w apps/runner -- --out DIR
  --gpu none|cuda|vulkan  GPU back end beside the CPU's (default: none)
  --arch N                GPU architecture whose CUDA code is kept, or "all" (default: 90)
  --with-node             this machine's Node goes along
  --model                 the model that comes with the repository goes along
  --with-llama            libllama goes along, for benchmarks against llama.cpp
  --bench NAME            a benchmark goes along (repeatable): \`fmlab bench NAME\` runs it there
  --archive               also writes DIR.tar.gz
`;
const MIB = 2 ** 20;

try {
  const { archive, options } = readOptions(process.argv.slice(2));
  const { record } = await makeBundle(repositoryRoot, options);
  print(sizeTable(measureParts(options.out)));
  const { dirty, gitCommit } = record.code;
  print(`\n${options.out}: commit ${gitCommit ?? "unknown"}${dirty ? " with changes" : ""}`);
  if (archive) writeArchive(options.out);
} catch (error) {
  const isBug = error instanceof TypeError || error instanceof ReferenceError;
  note(`bundle: ${isBug ? error.stack : (error as Error).message}`);
  process.exitCode = isDomainError(error) ? 2 : 1;
}

function readOptions(args: string[]): { archive: boolean; options: BundleOptions } {
  const { values } = parseArgs({
    args,
    options: {
      out: { type: "string" },
      gpu: { type: "string", default: "none" },
      arch: { type: "string", default: "90" },
      "with-node": { type: "boolean", default: false },
      model: { type: "boolean", default: false },
      "with-llama": { type: "boolean", default: false },
      bench: { type: "string", multiple: true, default: [] },
      archive: { type: "boolean", default: false },
    },
  });
  const gpu = GPU_BACK_ENDS.find((one) => one === values.gpu);
  const isAll = values.arch === "all";
  const architecture = isAll ? undefined : Number(values.arch.replace(/^sm_/, ""));
  if (values.out === undefined) throw usageError(`--out is missing\n${USAGE}`);
  if (gpu === undefined) throw usageError(`--gpu ${values.gpu} is unknown\n${USAGE}`);
  if (architecture !== undefined && !Number.isSafeInteger(architecture)) {
    throw usageError(`--arch ${values.arch} must be a number such as 90, or all`);
  }
  return {
    archive: values.archive,
    options: {
      // npm changes into the workspace; paths are meant from where it was called.
      out: resolve(process.env.INIT_CWD ?? ".", values.out),
      gpu,
      architecture,
      llama: values["with-llama"],
      node: values["with-node"],
      model: values.model,
      benches: values.bench.map(findBench),
      cacheFolder: join(machineFolders().homeDir, "bundle-packages"),
    },
  };
}

function findBench(name: string): string {
  const rooms = ["packages", "apps"].flatMap((group) =>
    readdirSync(join(repositoryRoot, group)).map((room) => join(repositoryRoot, group, room)),
  );
  const path = rooms
    .map((room) => join(room, "bench", `${name}.bench.ts`))
    .find((one) => existsSync(one));
  if (path !== undefined) return path;
  throw usageError(`there is no benchmark ${name}; \`npm run bench\` lists them`);
}

function writeArchive(folder: string): void {
  const file = `${folder}.tar.gz`;
  execFileSync("tar", ["-czSf", file, "-C", dirname(folder), basename(folder)]);
  print(`${file}: ${(statSync(file).size / MIB).toFixed(1)} MiB`);
}
