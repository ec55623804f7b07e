/**
 * Decoding a model that does not fit in memory: this engine, experts read past the page cache into
 * slots, against llama.cpp reading the same file by mmap. Both decode the same teacher-forced
 * tokens in processes of their own under the same memory limit (a cgroup; page cache counts), the
 * file dropped from the page cache before each, in rounds of random order.
 *
 * A pilot picks what is fastest for each engine. How far a page fault reads around itself matters
 * most to mmap, and is a setting of the disk: llama.cpp runs with that of this machine, for which
 * the bar is, and with the best of others, on a loop device over the same file.
 *
 * The file is generated: random weights in the shape of Qwen1.5-MoE, whose routing is laid beside
 * the shipped model's and published statistics (`FMLAB_DATA_DIR`). It stays in `--dir` for the next
 * time; `--clean` removes it.
 *
 *     npm run bench -- moe-mmap [--json] [--dir DIR] [--rounds 5] [--tokens 32] [--warm-up 16]
 *       [--limit 0.45] [--own-threads 1,2] [--clean]
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
import {
  type Contender,
  nameOf,
  type RaceOutcome,
  type RaceTrack,
  runContender,
  textOf,
} from "./big-model/race.ts";
import { endChild, runChild } from "./big-model/run-child.ts";
import type { Study, StudyJob } from "./big-model/study-child.ts";
import { Language } from "./big-model/text.ts";
import { obtainModel, removeModel } from "./big-model/write-model.ts";
import { describeMachine, formatTable } from "./paired.ts";

const SEED = 20_261_123;
const RATIO_MIN = 2;
/** The file must be like a real model: largest difference of LRU miss curves. */
const CURVE_DIFFERENCE_MAX = 0.1;
const NO_GROUP = 3;
/** Fewer give no interval. */
const ROUNDS_MIN = 3;
/**
 * What this engine's process needs beside experts, dense weights and the context: Node, its
 * compiler's caches and the reading threads. Measured: 180 MB.
 */
const OVERHEAD_BYTES = 215e6;
/** What the pilot chooses from; `undefined`: the read-ahead that the disk is set to. */
const PEERS: readonly Contender[] = [undefined, 128, 512].flatMap((readAheadKib) =>
  [1, 2].map((threads) => ({
    engine: "llama.cpp",
    threads,
    ...(readAheadKib !== undefined && { readAheadKib }),
  })),
);
/** Tokens of a run of the pilot: warm-up, then timed. */
const PILOT = { warmUp: 8, tokens: 10 };

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    dir: { type: "string", default: os.tmpdir() },
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "32" },
    "warm-up": { type: "string", default: "16" },
    limit: { type: "string", default: "0.45" },
    depth: { type: "string", default: "8" },
    "calibration-tokens": { type: "string", default: "3072" },
    "own-threads": { type: "string", default: "1,2" },
    clean: { type: "boolean", default: false },
  },
});
const recipe = { shape: QWEN15_MOE, dials: DIALS, seed: SEED };
/** This engine's part of the choice. */
const OWN = values["own-threads"]
  .split(",")
  .map((threads): Contender => ({ engine: "ours", threads: Number(threads) }));
const say = (text: string) => {
  if (!values.json) process.stdout.write(`${text}\n`);
};

if (Number(values.rounds) < ROUNDS_MIN) throw new Error(`--rounds: ${ROUNDS_MIN} or more`);
if (values.clean) {
  removeModel(values.dir, recipe);
  process.exit(0);
}

/** One contender's results, by round. */
interface Result {
  readonly contender: Contender;
  readonly rounds: RaceOutcome[];
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
const track: RaceTrack = {
  modelPath: path,
  fileBytes: sizes.fileBytes,
  group,
  budgetBytes: budget(),
  queueDepth: Number(values.depth),
  devices: new Set(),
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, async () => {
    await endChild();
    await cleanUp();
    process.exit(128 + os.constants.signals[signal]);
  });
}
const report = await measure().finally(cleanUp);
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(report.holds ? 0 : 1);

/** Leaves nothing behind but the model. */
async function cleanUp(): Promise<void> {
  for (const device of track.devices) device.close();
  track.group.remove();
}

async function measure() {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  say(
    `${path}: ${mb(sizes.fileBytes)}${isNew ? ", generated now" : ""}; experts ` +
      `${mb(sizes.expertBytes)}, dense ${mb(sizes.denseBytes)}\nlimit ${mb(limitBytes)} ` +
      `(${values.limit} of the file), of it ${mb(budget())} for experts`,
  );
  const study = await studyModel();
  const likeness = compareLikeness(study);
  say(likeness.text);
  const disk = await measureDisks();
  for (const { bytes, depth, mbPerSecond, order } of disk) {
    say(`disk: ${order} reads of ${bytes} B, ${depth} at once: ${mbPerSecond.toFixed(0)} MB/s`);
  }
  const pilot = await runPilot();
  const results = await race(pilot);
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
    ratioTuned: verdict.ratioTuned,
    holds: verdict.holds && likeness.holds,
    sizes: { ...sizes, limitBytes, budgetBytes: budget() },
    dials: DIALS,
    likeness: likeness.report,
    disk,
    logits: verdict.logits,
    pilot: pilot.map(({ contender, rounds }) => ({
      name: nameOf(contender),
      tokensPerSecond: rounds.map((one) => one.tokensPerSecond),
    })),
    results: results.map(({ contender, rounds }) => ({
      name: nameOf(contender),
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

function studyModel(): Promise<Study> {
  const language = new Language(DIALS, QWEN15_MOE.vocabulary);
  const prng = createPrng(SEED, "study");
  const job: StudyJob = {
    modelPath: path,
    calibrationText: [...language.write(prng.fork(2), Number(values["calibration-tokens"]))],
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
    `shipped ${shipped.crossLayer.toFixed(3)}\ncalibration: ${calibration.tokens} tokens of ` +
    `another text of the same language; all resident ${residentMs.toFixed(1)} ms a token; logits ` +
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

/** Runs every way of both engines once, briefly. */
async function runPilot(): Promise<Result[]> {
  const found: Result[] = [];
  const text = textOf("pilot", PILOT.warmUp + PILOT.tokens, SEED);
  for (const contender of [...PEERS, ...OWN]) {
    const outcome = await runContender(track, contender, text, { ...PILOT, logitsOf: 0 });
    if (typeof outcome === "string") say(`left out: ${nameOf(contender)}: ${outcome}`);
    else {
      tell("pilot", contender, outcome, PILOT.tokens);
      found.push({ contender, rounds: [outcome] });
    }
  }
  return found;
}

/**
 * llama.cpp as the disk is set, this engine, the same with LRU, and llama.cpp with the best other
 * read-ahead: the best of each, in rounds of random order.
 */
async function race(pilot: readonly Result[]): Promise<Result[]> {
  const best = (isMeant: (contender: Contender) => boolean) =>
    pilot
      .filter(({ contender }) => isMeant(contender))
      .reduce<Result | undefined>((a, b) => (a && speedOf(a) >= speedOf(b) ? a : b), undefined);
  const isPeer = ({ engine }: Contender) => engine === "llama.cpp";
  const peer = best((one) => isPeer(one) && one.readAheadKib === undefined)?.contender;
  const tuned = best((one) => isPeer(one) && one.readAheadKib !== undefined)?.contender;
  const own = best((one) => !isPeer(one))?.contender;
  if (!peer || !own) throw new Error("both engines run on this machine");
  const chosen: Contender[] = [peer, own, { ...own, engine: "lru" }, ...(tuned ? [tuned] : [])];
  const results = chosen.map((contender): Result => ({ contender, rounds: [] }));
  const [warmUp, tokens] = [Number(values["warm-up"]), Number(values.tokens)];
  const prng = createPrng(SEED, "order");
  for (let round = 0; round < Number(values.rounds); round++) {
    const text = textOf(String(round), warmUp + tokens, SEED);
    for (const { contender, rounds } of prng.shuffle(results)) {
      const outcome = await runContender(track, contender, text, { warmUp, logitsOf: 4 });
      if (typeof outcome === "string") throw new Error(outcome);
      tell(`round ${round}`, contender, outcome, tokens);
      rounds.push(outcome);
    }
  }
  return results;
}

function tell(when: string, contender: Contender, outcome: RaceOutcome, tokens: number): void {
  const { diskBytes, majorFaults, offload, processorShare, tokensPerSecond } = outcome;
  say(
    `${when}, ${nameOf(contender)}: ${tokensPerSecond.toFixed(2)} tok/s, ` +
      `${(diskBytes / tokens / 1e6).toFixed(0)} MB a token from disk, ${majorFaults} faults, ` +
      `processors ${processorShare.toFixed(2)}` +
      (offload
        ? `, hits ${offload.hitRate.toFixed(3)}, waiting ${offload.waitShare.toFixed(2)}`
        : ""),
  );
}

function speedOf({ rounds }: Result): number {
  return median(rounds.map((one) => one.tokensPerSecond));
}

function judge(results: readonly Result[], { residentMs }: Study) {
  const [peer, ours, , tuned] = results;
  if (!peer || !ours) throw new Error("both engines have run");
  const ratio = ratioOf(ours, peer);
  const ratioTuned = tuned && ratioOf(ours, tuned);
  const logits = compareLogits(
    ours.rounds.map((one) => one.logits),
    peer.rounds.map((one) => one.logits),
  );
  const agreement =
    logits.equalShare === 1 ? "equal to the bit" : `differ by ${logits.differenceMax} at most`;
  const holds = ratio.estimate >= RATIO_MIN && logits.differenceMax <= 0.01 * logits.sizeMax;
  const tokens = Number(values.tokens);
  const rows = [
    ["engine", "tok/s", "MB/token", "faults/token", "hits", "waiting", "peak MB", "open s"],
    ...results.map((one) => {
      const middle = (pick: (outcome: Result["rounds"][number]) => number) =>
        median(one.rounds.map(pick));
      const hasSlots = one.rounds[0]?.offload !== undefined;
      return [
        nameOf(one.contender),
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
  const tell = (one: Result, { estimate, high, low }: typeof ratio) =>
    `${nameOf(ours.contender)} over ${nameOf(one.contender)}, median of ${one.rounds.length} ` +
    `rounds: ${estimate.toFixed(2)}x (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
  const text =
    `\n${formatTable(rows)}\n${tell(peer, ratio)}, read-ahead as the disk is set; wanted ` +
    `${RATIO_MIN}x: ${holds ? "holds" : "MISSED"}\n` +
    `${tuned && ratioTuned ? `${tell(tuned, ratioTuned)}, no bar\n` : ""}logits of the two engines: ` +
    `${agreement} (${logits.rows} rows, sizes up to ${logits.sizeMax.toFixed(2)}); with all experts resident ` +
    `${(1e3 / residentMs).toFixed(2)} tok/s`;
  return { ours: speedOf(ours), peer: speedOf(peer), ratio, ratioTuned, logits, holds, text };
}

function ratioOf(ours: Result, peer: Result) {
  const ratios = ours.rounds.map(
    (one, i) => one.tokensPerSecond / (peer.rounds[i]?.tokensPerSecond ?? Number.NaN),
  );
  const options = { statistic: median, resamples: 2_000 };
  return bootstrapCi(ratios, createPrng(SEED, "bootstrap"), options);
}
