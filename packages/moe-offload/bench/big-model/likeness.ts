import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { createPrng } from "@fmlab/sim";
import { mean } from "@fmlab/stats";
import type { MoeEngine } from "../../src/engine/engine.ts";
import { lruMissCurves } from "../../src/replay/miss-curves.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { ALL_CHOICES, readExpertCounts } from "../../src/traces/routing-statistics.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { MemoryTraceSink, TraceRecorder } from "../../src/traces/trace-recorder.ts";
import { describeTrace, relativeEntropy } from "../../src/traces/trace-statistics.ts";
import { sampleTokens } from "../../test/engine/sampled-text.ts";
import { openBenchModel, openResident } from "../model.ts";

/** Shares of a layer's experts in memory at which miss curves are compared. */
export const SHARES = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875] as const;
/** Tokens that fill LRU's lists before misses are counted. */
const WARM_UP_TOKENS = 64;

/** What routing is like where it matters for a cache of experts. */
export interface Likeness {
  readonly text: string;
  readonly tokens: number;
  /** Share of uses that LRU misses at each of `SHARES`, mean over layers. */
  readonly lruMiss: readonly number[];
  /** By layer: entropy of the experts' popularity over that of equal use. */
  readonly entropy: readonly number[];
  /** Share of a token's experts that the token before used, mean over layers. */
  readonly previousReuse: number;
  /** Cross-layer gate, one layer ahead, mean over layers; 0 where it was not recorded. */
  readonly crossLayer: number;
}

/** Describes how a trace uses experts. */
export function describeLikeness(trace: Trace): Likeness {
  const { expertCount, expertUsedCount, moeLayers } = trace.shape;
  const statistics = describeTrace(trace);
  const { missesPerToken } = lruMissCurves(trace, WARM_UP_TOKENS);
  const missAt = (layer: number, share: number) => {
    const slots = share * expertCount;
    const below = Math.floor(slots);
    const curve = missesPerToken[layer];
    const low = curve?.[below] ?? 0;
    const high = curve?.[Math.min(expertCount, below + 1)] ?? 0;
    return (low + (slots - below) * (high - low)) / expertUsedCount;
  };
  const { crossLayerAccuracy } = statistics;
  return {
    text: trace.provenance.text,
    tokens: trace.tokenCount,
    lruMiss: SHARES.map((share) => mean(moeLayers.map((layer) => missAt(layer, share)))),
    entropy: statistics.entropy,
    previousReuse: mean(statistics.previousTokenReuse),
    crossLayer: crossLayerAccuracy.length > 0 ? mean(crossLayerAccuracy) : 0,
  };
}

/** Largest difference of two LRU miss curves, a share of uses. */
export function differenceOf(a: Likeness, b: Likeness): number {
  return Math.max(...a.lruMiss.map((miss, i) => Math.abs(miss - (b.lruMiss[i] ?? 0))));
}

/** The routing of a model on texts, each in a context of its own. */
export function recordTrace(
  engine: MoeEngine,
  text: string,
  sequences: readonly Int32Array[],
): Trace {
  const contents = {
    shape: engine.shape,
    hasProbabilities: false,
    aheadDepth: 1,
    hasComputeMs: false,
    provenance: {
      model: "benchmark",
      text,
      origin: "recorded" as const,
      isSimulated: false,
      date: new Date().toISOString(),
    },
  };
  const sink = new MemoryTraceSink(contents);
  const recorder = new TraceRecorder(contents, sink);
  engine.onTokenRouting = (routing) => recorder.add(routing);
  for (const tokens of sequences) {
    engine.reset();
    for (const token of tokens) engine.decode(token);
  }
  engine.onTokenRouting = undefined;
  recorder.flush();
  return sink.toTrace();
}

/** The shipped model on held-out prose (`FMLAB_DATA_DIR`), or on text that it wrote itself. */
export function shippedLikeness(): Likeness {
  const file = openBenchModel();
  const engine = openResident(file, { threads: 1, aheadDepth: 1 });
  try {
    const length = engine.contextLength;
    const prose = dataFile("text/held_out_prose.txt.gz");
    const text = prose
      ? new Tokenizer(file).encode(gunzipSync(readFileSync(prose)).toString("utf8"))
      : sampleTokens(engine, createPrng(1, "text"), 4 * length);
    const stride = Math.floor(text.length / 8);
    const count = prose ? 8 : 4;
    const sequences = Array.from({ length: count }, (_, i) => {
      const first = i * (prose ? stride : length);
      return Int32Array.from(text.slice(first, first + length));
    });
    return describeLikeness(
      recordTrace(engine, prose ? "held-out prose" : "sampled from itself", sequences),
    );
  } finally {
    engine.close();
    file.close();
  }
}

/** Lowest and highest relative entropy of published routing, over models, layers and domains. */
export function publishedEntropy(): { low: number; high: number; files: string[] } | undefined {
  const files = ["olmoe-1b-7b-0924", "mixtral-8x7b"]
    .map((name) => dataFile(`moe-routing/${name}.expert_counts.json`))
    .filter((file) => file !== undefined);
  if (files.length === 0) return undefined;
  const values = files.flatMap((file) => {
    const domains = readExpertCounts(file).sets.get(ALL_CHOICES) ?? new Map<string, never>();
    return [...domains.values()].flatMap((rows: readonly Float64Array[]) =>
      rows.map((row) => {
        const sum = row.reduce((a, b) => a + b, 0);
        return relativeEntropy(row.map((count) => count / sum));
      }),
    );
  });
  return {
    low: Math.min(...values),
    high: Math.max(...values),
    files: files.map((file) => path.basename(file)),
  };
}

function dataFile(name: string): string | undefined {
  const folder = process.env.FMLAB_DATA_DIR;
  if (folder === undefined) return undefined;
  const file = path.join(folder, name);
  return existsSync(file) ? file : undefined;
}
