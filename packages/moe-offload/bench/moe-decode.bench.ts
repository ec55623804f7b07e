/**
 * Decode speed with all experts resident, against llama.cpp itself on the same file: paired blocks
 * in one process in random order, flash attention on, at one thread and at two with one shared
 * pool.
 *
 * `npm run bench -- moe-decode [--json] [--rounds N] [--tokens N]`
 */
import { parseArgs } from "node:util";
import { GgmlLibrary, type GgufFile, ThreadPool } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { LlamaCpp } from "../test/engine/llama-cpp.ts";
import { sampleTokens } from "../test/engine/sampled-text.ts";
import { type LagReport, measureLag } from "./event-loop-lag.ts";
import { BENCH_MODEL, openBenchModel, openResident } from "./model.ts";
import { openNodeLlamaCpp } from "./node-llama-cpp.ts";
import { describeMachine, formatTable, type PairedResult, runPaired } from "./paired.ts";

const SEED = 20_261_123;
/** Tokens the decoding thread computes while the event loop's lag is measured; chosen. */
const LAG_TOKENS = 4_000;
/** Longest acceptable 99th percentile of the lag. */
const LAG_MS_MAX = 10;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "210" },
    tokens: { type: "string", default: "16" },
  },
});

/** What one setting of threads gave; the first result is this engine's. */
interface Setting {
  readonly threads: number;
  readonly results: readonly PairedResult[];
  readonly lag: LagReport;
}

async function measure(file: GgufFile, threads: number): Promise<Setting> {
  const library = GgmlLibrary.load();
  const threadPool = threads > 1 ? new ThreadPool(library, { threads }) : undefined;
  const engine = openResident(file, { threads, threadPool });
  const llama = new LlamaCpp(BENCH_MODEL, engine.vocabularySize, {
    threads,
    threadPool,
    contextLength: engine.contextLength,
  });
  const count = Math.min(Number(values.tokens), engine.contextLength);
  // Short blocks, because what else runs on the machine disturbs long ones; one block after another
  // of a text as long as the context, so that every position counts.
  const blocks = Math.floor(engine.contextLength / count);
  const text = sampleTokens(engine, createPrng(SEED, "text"), blocks * count);
  const block = (round: number) => {
    const first = (round % blocks) * count;
    return { isFirst: first === 0, tokens: text.subarray(first, first + count) };
  };
  const nodeLlama = await openNodeLlamaCpp(BENCH_MODEL, {
    threads,
    contextLength: engine.contextLength,
    tokens: count,
    first: text[0] ?? 0,
  });
  const contenders = [
    {
      name: "fmlab",
      run: (round: number) => {
        const { isFirst, tokens } = block(round);
        if (isFirst) engine.reset();
        for (const token of tokens) engine.decode(token);
      },
    },
    {
      name: "libllama",
      run: (round: number) => {
        const { isFirst, tokens } = block(round);
        if (isFirst) llama.reset();
        for (const token of tokens) llama.evaluateOne(token);
      },
    },
    ...(nodeLlama ? [nodeLlama] : []),
  ];
  const rounds = Number(values.rounds);
  const results = await runPaired(contenders, { rounds, work: count, seed: SEED + threads });
  await nodeLlama?.close();
  llama.close();
  engine.close();
  threadPool?.close();
  const lag = await measureLag({ modelPath: BENCH_MODEL, threads, tokens: LAG_TOKENS });
  return { threads, results, lag };
}

function peerOf(setting: Setting, name: string): PairedResult | undefined {
  return setting.results.find((result) => result.name === name);
}

function report(settings: readonly Setting[]): string {
  const rows = [["threads", "engine", "tok/s", "fmlab / it", "95 % interval"]];
  for (const { threads, results } of settings) {
    for (const { name, perSecond, ratio } of results) {
      const interval = `${ratio.low.toFixed(3)}..${ratio.high.toFixed(3)}`;
      const isOwn = name === "fmlab";
      rows.push([
        String(threads),
        name,
        perSecond.toFixed(0),
        isOwn ? "" : ratio.estimate.toFixed(3),
        isOwn ? "" : interval,
      ]);
    }
  }
  const lags = settings.map(
    ({ threads, lag }) =>
      `event loop beside ${threads} compute thread${threads > 1 ? "s" : ""} in a worker: ` +
      `p99 ${lag.p99Ms.toFixed(2)} ms, median ${lag.medianMs.toFixed(2)} ms (${lag.samples} timers, ` +
      `${lag.tokensPerSecond.toFixed(0)} tok/s); wanted below ${LAG_MS_MAX} ms`,
  );
  return [formatTable(rows), ...lags].join("\n");
}

const file = openBenchModel();
const settings: Setting[] = [];
for (const threads of [1, 2]) settings.push(await measure(file, threads));
file.close();

const pairs = settings.flatMap((setting) => {
  const ours = peerOf(setting, "fmlab");
  const peer = peerOf(setting, "libllama");
  return ours && peer ? [{ setting, ours, peer }] : [];
});
const worst = pairs.reduce((a, b) => (b.peer.ratio.estimate < a.peer.ratio.estimate ? b : a));
if (values.json) {
  const line = {
    name: "moe-decode",
    unit: "tok/s",
    ours: worst.ours.perSecond,
    peer: worst.peer.perSecond,
    ratio: worst.peer.ratio.estimate,
    ratioLow: worst.peer.ratio.low,
    ratioHigh: worst.peer.ratio.high,
    threads: worst.setting.threads,
    settings: settings.map(({ threads, results, lag }) => ({
      threads,
      results: results.map(({ name, perSecond, ratio }) => ({
        name,
        tokensPerSecond: perSecond,
        ratio: ratio.estimate,
        ratioLow: ratio.low,
        ratioHigh: ratio.high,
        rounds: ratio.n,
      })),
      lagP99Ms: lag.p99Ms,
    })),
    machine: describeMachine(),
    ggml: GgmlLibrary.load().version,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
} else {
  const machine = describeMachine();
  process.stdout.write(
    `moe-decode, all experts resident, ${values.rounds} paired rounds of ${values.tokens} tokens\n` +
      `${machine.processor}, ${machine.cores} cores, Node ${machine.node}, ` +
      `ggml ${GgmlLibrary.load().version}, ${machine.date}\n\n${report(settings)}\n`,
  );
}
