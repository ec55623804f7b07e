/**
 * Decoding a model that does not fit in memory: this engine, experts read past the page cache into
 * slots, against llama.cpp reading the same file by mmap. Both decode the same teacher-forced tokens
 * in processes of their own under the same memory limit (a cgroup; page cache counts), the file
 * dropped from the page cache before each, in rounds of random order.
 *
 * The file is generated: random weights in the shape of Qwen1.5-MoE, whose routing is laid beside
 * the shipped model's and published statistics (`FMLAB_DATA_DIR`). It stays in `--dir` for the next
 * time; `--clean` removes it.
 *
 *     npm run bench -- moe-mmap [--json] [--dir DIR] [--rounds 5] [--tokens 48] [--warm-up 24]
 *       [--limit 0.45] [--clean]
 *
 * Ends with 1 below the bar of 2x or when the file is not like a real model, with 3 where no
 * memory group can be made.
 */
import { statSync } from "node:fs";
import os from "node:os";
import { parseArgs } from "node:util";
import { openGguf } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { bootstrapCi, median } from "@fmlab/stats";
import type { DecodeJob, DecodeOutcome } from "./big-model/decode-job.ts";
import { DIALS, QWEN15_MOE } from "./big-model/design.ts";
import { type DiskSpeed, measureDisk } from "./big-model/disk-speed.ts";
import {
  differenceOf,
  type Likeness,
  publishedEntropy,
  SHARES,
  shippedLikeness,
} from "./big-model/likeness.ts";
import { compareLogits } from "./big-model/logits.ts";
import { MemoryGroup } from "./big-model/memory-group.ts";
import { denseBytesOf, expertBytesOf, layoutOf } from "./big-model/open-models.ts";
import { dropFromPageCache } from "./big-model/page-cache.ts";
import { runChild } from "./big-model/run-child.ts";
import type { Study, StudyJob } from "./big-model/study-child.ts";
import { Language } from "./big-model/text.ts";
import { obtainModel, removeModel } from "./big-model/write-model.ts";
import { describeMachine, formatTable } from "./paired.ts";

const SEED = 20_261_123;
const RATIO_MIN = 2;
/** The file must be like a real model: largest difference of LRU miss curves. */
const CURVE_DIFFERENCE_MAX = 0.1;
const NO_GROUP = 3;
/**
 * What this engine's process needs beside experts, dense weights and the context: Node, its
 * compiler's caches and the reading threads. Measured: 180 MB.
 */
const OVERHEAD_BYTES = 215e6;
const CONTENDERS = [
  { name: "llama.cpp, 1 thread", engine: "llama.cpp", threads: 1 },
  { name: "llama.cpp, 2 threads", engine: "llama.cpp", threads: 2 },
  { name: "fmlab, ours", engine: "ours", threads: 1 },
  { name: "fmlab, ours, 2 threads", engine: "ours", threads: 2 },
  { name: "fmlab, lru", engine: "lru", threads: 1 },
] as const;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    dir: { type: "string", default: os.tmpdir() },
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "48" },
    "warm-up": { type: "string", default: "24" },
    limit: { type: "string", default: "0.45" },
    depth: { type: "string", default: "4" },
    "calibration-tokens": { type: "string", default: "3072" },
    contenders: { type: "string", default: CONTENDERS.map(({ name }) => name).join(";") },
    clean: { type: "boolean", default: false },
  },
});
const recipe = { shape: QWEN15_MOE, dials: DIALS, seed: SEED };
const say = (text: string) => {
  if (!values.json) process.stdout.write(`${text}\n`);
};

if (values.clean) {
  removeModel(values.dir, recipe);
  process.exit(0);
}

/** One contender's results, by round. */
interface Result {
  readonly name: string;
  readonly rounds: (DecodeOutcome & { peakBytes: number })[];
}

const { isNew, path } = obtainModel(values.dir, recipe);
const sizes = sizesOf(path);
const limitBytes = Math.floor(sizes.fileBytes * Number(values.limit));
const group = MemoryGroup.create(`fmlab-moe-mmap-${process.pid}`, limitBytes);
if (typeof group === "string") {
  process.stderr.write(
    `moe-mmap limits memory by a control group and cannot make one here: ${group}. ` +
      "Run it as root on Linux with a memory controller, version 1 or 2.\n",
  );
  process.exit(NO_GROUP);
}
let report: Awaited<ReturnType<typeof measure>>;
try {
  report = await measure(group);
} finally {
  group.remove();
}
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(report.holds ? 0 : 1);

async function measure(memory: MemoryGroup) {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  say(
    `${path}: ${mb(sizes.fileBytes)}${isNew ? ", generated now" : ""}; experts ` +
      `${mb(sizes.expertBytes)}, dense ${mb(sizes.denseBytes)}\nlimit ${mb(limitBytes)} ` +
      `(${values.limit} of the file), of it ${mb(budget())} for experts`,
  );
  const study = studyModel();
  const likeness = compareLikeness(study);
  say(likeness.text);
  const disk = await measureDisks();
  for (const { bytes, depth, mbPerSecond, order } of disk) {
    say(`disk: ${order} reads of ${bytes} B, ${depth} at once: ${mbPerSecond.toFixed(0)} MB/s`);
  }
  const results = race(memory);
  const verdict = judge(results, study);
  say(verdict.text);
  return {
    name: "moe-mmap",
    unit: "tok/s",
    ours: verdict.ours,
    peer: verdict.peer,
    ratio: verdict.ratio.estimate,
    ratioLow: verdict.ratio.low,
    ratioHigh: verdict.ratio.high,
    holds: verdict.holds && likeness.holds,
    sizes: { ...sizes, limitBytes, budgetBytes: budget() },
    dials: DIALS,
    likeness: likeness.report,
    disk,
    logits: verdict.logits,
    results: results.map(({ name, rounds }) => ({
      name,
      rounds: rounds.map(({ logits: _, ...others }) => others),
    })),
    load: os.loadavg(),
    machine: describeMachine(),
  };
}

function sizesOf(file: string) {
  const gguf = openGguf(file);
  const expertBytes = expertBytesOf(layoutOf(gguf));
  const denseBytes = denseBytesOf(gguf);
  gguf.close();
  return { fileBytes: statSync(file).size, expertBytes, denseBytes };
}

/** Expert memory of this engine under the limit. */
function budget(): number {
  const tokens = Number(values.tokens) + Number(values["warm-up"]);
  // Keys and values of all layers, half precision.
  const contextBytes = Math.ceil(tokens / 256) * 256 * QWEN15_MOE.layers * QWEN15_MOE.width * 4;
  return limitBytes - sizes.denseBytes - contextBytes - OVERHEAD_BYTES;
}

function studyModel(): Study {
  const language = new Language(DIALS, QWEN15_MOE.vocabulary);
  const prng = createPrng(SEED, "study");
  const job: StudyJob = {
    modelPath: path,
    calibrationTokens: Number(values["calibration-tokens"]),
    threads: 2,
    sequences: [0, 1].map((i) => [...language.write(prng.fork(i), 512)]),
  };
  return runChild<Study>("./study-child.ts", job);
}

function compareLikeness({ calibration, likeness, logits, residentMs }: Study) {
  const shipped = shippedLikeness();
  const published = publishedEntropy();
  const difference = differenceOf(likeness, shipped);
  const range = (one: Likeness) =>
    `${Math.min(...one.entropy).toFixed(3)} to ${Math.max(...one.entropy).toFixed(3)}`;
  const isInside =
    published !== undefined &&
    likeness.entropy.every((one) => one >= published.low && one <= published.high);
  const rows = [
    ["LRU's misses at a share of", ...SHARES.map((share) => share.toFixed(3))],
    ...[
      { name: "generated model", one: likeness },
      { name: "shipped model", one: shipped },
    ].map(({ name, one }) => [
      `${name}, ${one.tokens} tokens of ${one.text}`,
      ...one.lruMiss.map((miss) => miss.toFixed(3)),
    ]),
  ];
  const text =
    `${formatTable(rows)}\nlargest difference ${(100 * difference).toFixed(1)} points ` +
    `(wanted: at most ${100 * CURVE_DIFFERENCE_MAX})\n` +
    `relative entropy of routing by layer: generated ${range(likeness)}, shipped ` +
    `${range(shipped)}, published ` +
    (published
      ? `${published.low.toFixed(3)} to ${published.high.toFixed(3)} (${published.files})\n`
      : "unknown: FMLAB_DATA_DIR is not set\n") +
    `previous token's experts used again: ${likeness.previousReuse.toFixed(3)}, shipped ` +
    `${shipped.previousReuse.toFixed(3)}; cross-layer gate ${likeness.crossLayer.toFixed(3)}, ` +
    `shipped ${shipped.crossLayer.toFixed(3)}\ncalibration: ${calibration.tokens} tokens of its ` +
    `own text (${calibration.origin}); all resident ${residentMs.toFixed(1)} ms a token; logits ` +
    `${logits.lowest.toFixed(2)} to ${logits.highest.toFixed(2)}`;
  const holds = difference <= CURVE_DIFFERENCE_MAX && isInside && logits.isFinite;
  return { holds, text, report: { generated: likeness, shipped, published, difference } };
}

async function measureDisks(): Promise<DiskSpeed[]> {
  const part = 1_622_016;
  const patterns = [
    { order: "sequential", bytes: 2 ** 21, depth: 1 },
    { order: "random", bytes: part, depth: 1 },
    { order: "random", bytes: part, depth: 4 },
    { order: "random", bytes: part, depth: 8 },
    { order: "random", bytes: 4096, depth: 1 },
  ] as const;
  const found: DiskSpeed[] = [];
  for (const pattern of patterns) found.push(await measureDisk(path, pattern));
  return found;
}

function race(memory: MemoryGroup): Result[] {
  const language = new Language(DIALS, QWEN15_MOE.vocabulary);
  const prng = createPrng(SEED, "race");
  const chosen = CONTENDERS.filter(({ name }) => values.contenders.split(";").includes(name));
  const results = chosen.map((contender): Result & { contender: (typeof CONTENDERS)[number] } => {
    return { name: contender.name, rounds: [], contender };
  });
  const [warmUp, tokens] = [Number(values["warm-up"]), Number(values.tokens)];
  for (let round = 0; round < Number(values.rounds); round++) {
    const text = [...language.write(prng.fork(`text ${round}`), warmUp + tokens)];
    for (const { contender, name, rounds } of prng.shuffle(results)) {
      memory.empty();
      const cached = dropFromPageCache(path);
      if (cached > 0.001) throw new Error(`${100 * cached} % of ${path} stays in the page cache`);
      const job: DecodeJob = {
        modelPath: path,
        engine: contender.engine,
        threads: contender.threads,
        warmUp: text.slice(0, warmUp),
        tokens: text.slice(warmUp),
        logitsOf: 4,
        budgetBytes: budget(),
        queueDepth: Number(values.depth),
      };
      const outcome = runChild<DecodeOutcome>("./decode-child.ts", job, { group: memory });
      rounds.push({ ...outcome, peakBytes: memory.peakBytes });
      const { diskBytes, majorFaults, offload, processorShare, tokensPerSecond } = outcome;
      say(
        `round ${round}, ${name}: ${tokensPerSecond.toFixed(2)} tok/s, ` +
          `${(diskBytes / tokens / 1e6).toFixed(0)} MB a token from disk, ${majorFaults} faults, ` +
          `processors ${processorShare.toFixed(2)}` +
          (offload
            ? `, hits ${offload.hitRate.toFixed(3)}, waiting ${offload.waitShare.toFixed(2)}`
            : ""),
      );
    }
  }
  return results;
}

function judge(results: readonly Result[], { residentMs }: Study) {
  const speedOf = ({ rounds }: Result) => median(rounds.map((one) => one.tokensPerSecond));
  const best = (prefix: string) =>
    results
      .filter(({ name }) => name.startsWith(prefix))
      .reduce((a, b) => (speedOf(b) > speedOf(a) ? b : a));
  const ours = best("fmlab, ours");
  const peer = best("llama.cpp");
  const ratios = ours.rounds.map(
    (one, i) => one.tokensPerSecond / (peer.rounds[i]?.tokensPerSecond ?? Number.NaN),
  );
  const ratio = bootstrapCi(ratios, createPrng(SEED, "bootstrap"), {
    statistic: median,
    resamples: 2_000,
  });
  const logits = compareLogits(
    ours.rounds.map((one) => one.logits),
    peer.rounds.map((one) => one.logits),
  );
  const holds = ratio.estimate >= RATIO_MIN && logits.differenceMax <= 0.01 * logits.sizeMax;
  const tokens = Number(values.tokens);
  const rows = [
    ["engine", "tok/s", "MB/token", "faults/token", "hits", "waiting", "peak MB", "open s"],
    ...results.map((one) => {
      const middle = (pick: (outcome: Result["rounds"][number]) => number) =>
        median(one.rounds.map(pick));
      const hasSlots = one.rounds[0]?.offload !== undefined;
      return [
        one.name,
        speedOf(one).toFixed(2),
        (middle((o) => o.diskBytes) / tokens / 1e6).toFixed(1),
        (middle((o) => o.majorFaults) / tokens).toFixed(1),
        hasSlots ? middle((o) => o.offload?.hitRate ?? 0).toFixed(3) : "",
        hasSlots ? middle((o) => o.offload?.waitShare ?? 0).toFixed(2) : "",
        (middle((o) => o.peakBytes) / 1e6).toFixed(0),
        (middle((o) => o.openMs) / 1e3).toFixed(1),
      ];
    }),
  ];
  const text =
    `\n${formatTable(rows)}\n${ours.name} over ${peer.name}, median of ${ratios.length} rounds: ` +
    `${ratio.estimate.toFixed(2)}x (95 %: ${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}), ` +
    `wanted ${RATIO_MIN}x: ${holds ? "holds" : "MISSED"}\nlogits of the two engines: ` +
    `${logits.equalShare === 1 ? "equal to the bit" : `differ by ${logits.differenceMax} at most`} ` +
    `(${logits.rows} rows, sizes up to ${logits.sizeMax.toFixed(2)}); with all experts resident ` +
    `${(1e3 / residentMs).toFixed(2)} tok/s`;
  return { ours: speedOf(ours), peer: speedOf(peer), ratio, logits, holds, text };
}
