import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { GpuFacts } from "@fmlab/experiment";
import type { GpuReader, GpuSample } from "./gpu-reader.ts";
import { parseSmiCsv, parseSmiXml, SMI_FIELDS, SMI_FIELDS_OLD, type SmiGpu } from "./smi-text.ts";
import { visibleGpus } from "./visible-gpus.ts";

const run = promisify(execFile);
const TIMEOUT_MS = 20_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Reads NVIDIA GPUs through nvidia-smi, where NVML cannot be called. Every look is a process of its
 * own, so there are fewer of them.
 */
export class SmiReader implements GpuReader {
  readonly source = "nvidia-smi";
  readonly intervalMsMin = 2_000;
  readonly #env: NodeJS.ProcessEnv;
  readonly #uuids: readonly string[];

  private constructor(env: NodeJS.ProcessEnv, uuids: readonly string[]) {
    this.#env = env;
    this.#uuids = uuids;
  }

  /** The cards this process may use; undefined where nvidia-smi is not there or lists none. */
  static async open(env: NodeJS.ProcessEnv): Promise<SmiReader | undefined> {
    const all = (await query(env)).map((gpu) => gpu.uuid);
    const uuids = visibleGpus(all, env.CUDA_VISIBLE_DEVICES).flatMap((i) => all[i] ?? []);
    return uuids.length === 0 ? undefined : new SmiReader(env, uuids);
  }

  async facts(): Promise<GpuFacts[]> {
    const { cudaVersion } = parseSmiXml(await ask(this.#env, "-q", "-x"));
    const version = cudaVersion === undefined ? {} : { cudaVersion };
    const all = new Map((await query(this.#env)).map((gpu) => [gpu.uuid, gpu.facts]));
    return this.#uuids.flatMap((uuid) => {
      const facts = all.get(uuid);
      return facts === undefined ? [] : [{ ...facts, ...version }];
    });
  }

  async sample(): Promise<GpuSample[]> {
    const { gpus } = parseSmiXml(await ask(this.#env, "-q", "-x"));
    const all = new Map(gpus.map((gpu) => [gpu.uuid, gpu.sample]));
    return this.#uuids.map((uuid) => all.get(uuid) ?? {});
  }
}

async function query(env: NodeJS.ProcessEnv): Promise<SmiGpu[]> {
  for (const fields of [SMI_FIELDS, SMI_FIELDS_OLD]) {
    const csv = await ask(env, `--query-gpu=${fields.join(",")}`, "--format=csv,noheader,nounits");
    const gpus = parseSmiCsv(csv, fields);
    if (gpus.length > 0) return gpus;
  }
  return [];
}

/** What nvidia-smi prints; nothing where it is not there or refuses. */
async function ask(env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const options = { env, timeout: TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
  return run("nvidia-smi", args, options).then(
    ({ stdout }) => stdout,
    () => "",
  );
}
