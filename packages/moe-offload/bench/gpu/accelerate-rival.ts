import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Models that the script knows, by the names of our shapes. */
export const ACCELERATE_MODELS = ["mixtral-8x7b", "qwen1.5-moe-a2.7b"] as const;
/** One of `ACCELERATE_MODELS`. */
export type AccelerateModel = (typeof ACCELERATE_MODELS)[number];

/** What is evaluated: sequences of `prompt` tokens, each continued by `tokens` greedily. */
export interface AccelerateWorkload {
  readonly model: AccelerateModel;
  readonly layers: number;
  readonly batch: number;
  readonly prompt: number;
  readonly tokens: number;
  readonly rounds: number;
  /** What weights may take of the card. */
  readonly vramBytes: number;
}

/** What the script measured, as it prints it. */
export interface AccelerateResult extends Omit<AccelerateWorkload, "rounds" | "vramBytes"> {
  readonly expertBytes: number;
  readonly residentExpertBytes: number;
  readonly offloadedLayers: number;
  /** Whether the experts of a layer travel together. */
  readonly expertModules: "fused" | "single";
  readonly pinned: boolean;
  readonly rounds: readonly {
    readonly prefillSeconds: number;
    readonly decodeSeconds: number;
    readonly prefillTokensPerSecond: number;
    readonly decodeTokensPerSecond: number;
  }[];
  readonly peakVramBytes: number;
  readonly card: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** Loading and converting may print much. */
const OUTPUT_BYTES_MAX = 16 * 2 ** 20;
const SCRIPT = fileURLToPath(new URL("accelerate_offload.py", import.meta.url));

/**
 * Runs Accelerate under the machine's own Python, in a process of its own, so that the card is free
 * again when it ends.
 *
 * @param script  default: the one beside this file, or where `FMLAB_ACCELERATE_SCRIPT` says
 * @throws Error with what the script says where it cannot run
 */
export function runAccelerate(
  python: string,
  workload: AccelerateWorkload,
  script = process.env.FMLAB_ACCELERATE_SCRIPT ?? SCRIPT,
): AccelerateResult {
  const { batch, layers, model, prompt, rounds, tokens, vramBytes } = workload;
  const numbers = { layers, batch, prompt, tokens, rounds, "vram-bytes": Math.floor(vramBytes) };
  const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { error, status, stderr, stdout } = spawnSync(
    python,
    [script, "--model", model, ...flags],
    {
      encoding: "utf8",
      maxBuffer: OUTPUT_BYTES_MAX,
    },
  );
  if (error) throw new Error(`${python} cannot be started: ${error.message}; name one by --python`);
  if (status !== 0) {
    const said = stderr.trim().split("\n").slice(-5).join("\n");
    throw new Error(`${python} ended with ${status}: ${said}`);
  }
  const line = stdout.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line) as AccelerateResult;
  } catch (cause) {
    throw new Error(`${python} printed no result but: ${line.slice(0, 200)}`, { cause });
  }
}
