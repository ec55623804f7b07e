import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { spreadMinutes } from "../../src/traces/arrivals.ts";
import { readAzure2019 } from "../../src/traces/azure-2019.ts";
import { readAzure2021 } from "../../src/traces/azure-2021.ts";
import { sliceTrace } from "../../src/traces/invocation-trace.ts";
import { llmInvocations, readLlmTrace } from "../../src/traces/llm-trace.ts";
import { sampleFunctions, wassersteinDistance } from "../../src/traces/wasserstein.ts";
import { dataFile } from "../data-dir.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-cnc-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(text) : text);
  return path;
}

const INVOCATIONS =
  "HashOwner,HashApp,HashFunction,Trigger,1,2,3\no,a,f,http,0,2,1\no,a,g,timer,1,1,1\n";

describe("the Azure 2019 reader", () => {
  it("joins the three files by their hashes, packed or not", () => {
    const invocations = write("inv.csv.gz", INVOCATIONS);
    const durations = write(
      "run.csv",
      "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0," +
        "percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75," +
        "percentile_Average_99,percentile_Average_100\r\no,a,f,50,3,10,90,10,11,30,50,70,89,90\r\n",
    );
    const memory = write(
      "mem.csv",
      "HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,5,170\n",
    );
    const trace = readAzure2019({ invocations, durations, memory });
    expect(trace).toMatchObject({ minutes: 3, invocationCount: 6, withoutDuration: 1 });
    expect(trace.functions[0]).toMatchObject({ trigger: "http", memoryMb: 170 });
    expect([...(trace.functions[0]?.perMinute ?? [])]).toEqual([0, 2, 1]);
    expect(trace.functions[0]?.duration?.percentilesMs).toEqual([10, 11, 30, 50, 70, 89, 90]);
  });

  it.each([
    ["o,a,h,http,0,x,1", 'line 4: 2 must be a whole number of at least 0, got "x"'],
    ["o,a,h,http,0,-1,1", 'line 4: 2 must be a whole number of at least 0, got "-1"'],
    ["o,a,h,http,0,,1", 'line 4: 2 must be a whole number of at least 0, got ""'],
    ["o,a,h,http,0,1", "line 4: 6 fields, but the header has 7"],
    ["o,a,f,http,0,1,1", "line 4: the function of line 2 again"],
  ])("refuses the row %s and tells its line", (row, message) => {
    const invocations = write("bad.csv", `${INVOCATIONS}${row}\n`);
    expect(() => readAzure2019({ invocations })).toThrowError(message);
  });

  it("refuses files without the columns, without rows and broken ones, by name", () => {
    const read = (text: string) => () => readAzure2019({ invocations: write("x.csv", text) });
    expect(read("a,b\n1,2\n")).toThrowError(/line 1: there is no column HashFunction/);
    expect(read("HashOwner,HashApp,HashFunction\n")).toThrowError(/no columns of minutes/);
    expect(read("HashOwner,HashApp,HashFunction,1\n")).toThrowError(/has no functions/);
    expect(read("")).toThrowError(/the file is empty/);
    writeFileSync(join(folder, "y.gz"), new Uint8Array([0x1f, 0x8b, 8, 0, 1]));
    expect(() => readAzure2019({ invocations: join(folder, "y.gz") })).toThrowError(/gzip/);
    expect(() => readAzure2019({ invocations: join(folder, "none") })).toThrowError(
      /cannot be read/,
    );
  });

  const inv = dataFile("serverless/azure2019_600_inv.csv.gz");
  it.skipIf(inv === undefined)("reads the 600 functions of the real day", () => {
    const trace = readAzure2019({
      invocations: inv ?? "",
      durations: dataFile("serverless/azure2019_600_run.csv.gz") ?? "",
      memory: dataFile("serverless/azure2019_600_mem.csv.gz") ?? "",
    });
    expect(trace).toMatchObject({ minutes: 1440, invocationCount: 6_392_093, withoutMemory: 0 });
    expect(trace.functions).toHaveLength(600);
  });
});

describe("the other readers", () => {
  it("put Azure 2021 invocations at their start, the earliest at 0", () => {
    const path = write("2021.csv", "app,func,end_timestamp,duration\nA,f,10,4\nA,g,7,3\nA,f,9,6\n");
    const { functionNames, trace } = readAzure2021(path);
    expect(functionNames).toEqual(["A/f", "A/g"]);
    expect([...trace.arrivalMs]).toEqual([0, 1000, 3000]);
    expect([...trace.functionIndex]).toEqual([0, 1, 0]);
    expect([...trace.durationMs]).toEqual([6000, 3000, 4000]);
  });

  it("read both forms of LLM traces, and tell the line of what is wrong", () => {
    const azure = write(
      "llm.csv",
      "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9,48,10\n2023-11-16 18:17:04.0,30,8",
    );
    const requests = readLlmTrace(azure);
    expect(requests[1]?.arrivalMs).toBeCloseTo(100, 6);
    const times = { prefillMsPerToken: 1, decodeMsPerToken: 10 };
    expect([...llmInvocations(requests, times).durationMs]).toEqual([148, 110]);
    const mooncake = write(
      "llm.jsonl",
      '{"timestamp":5,"input_length":7,"output_length":2,"hash_ids":[0,1]}\n{"timestamp":1}\n',
    );
    expect(() => readLlmTrace(mooncake)).toThrowError(/line 2: input_length must be a number/);
    expect(() => readLlmTrace(write("m.jsonl", "{oops\n"))).toThrowError(/line 1: no JSON/);
    const bad = write("llm2.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\nnoon,1,1\n");
    expect(() => readLlmTrace(bad)).toThrowError(/line 2: TIMESTAMP must be a time/);
  });

  const code = dataFile("llm-traces/AzureLLMInferenceTrace_code.csv.gz");
  const mooncake = dataFile("llm-traces/mooncake_synthetic_trace.jsonl.gz");
  it.skipIf(code === undefined || mooncake === undefined)("read the real LLM traces", () => {
    const requests = readLlmTrace(code ?? "");
    expect(requests).toHaveLength(8819);
    const mean = requests.reduce((sum, r) => sum + r.promptTokens, 0) / requests.length;
    expect(mean).toBeCloseTo(2047.8, 1);
    expect(readLlmTrace(mooncake ?? "")).toHaveLength(3993);
  });

  it("cut a trace by time", () => {
    const path = write("cut.csv", "app,func,end_timestamp,duration\nA,f,1,1\nA,f,2,1\nA,f,3,1\n");
    const cut = sliceTrace(readAzure2021(path).trace, 1000, 2000);
    expect(cut.count).toBe(1);
    expect([...cut.arrivalMs]).toEqual([0]);
  });
});

describe("arrivals within a minute", () => {
  it.each(["equidistant", "uniform", "exponential"] as const)("keep their counts: %s", (spread) => {
    const prng = createPrng(3);
    const counts = Array.from({ length: 60 }, () => prng.nextInt(8));
    const arrivals = spreadMinutes(counts, spread, prng);
    const found = counts.map(() => 0);
    arrivals.forEach((at, i) => {
      expect(at).toBeGreaterThanOrEqual(arrivals[i - 1] ?? 0);
      const minute = Math.floor(at / 60_000);
      found[minute] = (found[minute] as number) + 1;
    });
    expect(found).toEqual(counts);
  });

  it("at equal distances are exactly that", () => {
    expect([...spreadMinutes([0, 3], "equidistant", createPrng(1))]).toEqual([60e3, 80e3, 100e3]);
  });
});

describe("the Wasserstein distance", () => {
  it("has SciPy's documented values", () => {
    expect(wassersteinDistance([0, 1, 3], [5, 6, 8])).toBeCloseTo(5, 12);
    expect(wassersteinDistance([0, 0, 0, 1], [0, 0, 1, 1])).toBeCloseTo(0.25, 12);
  });

  it("is the mean distance of sorted pairs for samples of equal size, and symmetric", () => {
    const prng = createPrng(1);
    for (let round = 0; round < 50; round++) {
      const n = 1 + prng.nextInt(30);
      const [a, b] = [0, 1].map(() => Array.from({ length: n }, () => prng.nextInt(20) / 4));
      if (a === undefined || b === undefined) throw new Error("two samples are drawn");
      const [x, y] = [a, b].map((s) => [...s].sort((p, q) => p - q));
      const pairs = (x ?? []).reduce((sum, v, i) => sum + Math.abs(v - (y?.[i] ?? 0)), 0) / n;
      expect(wassersteinDistance(a, b)).toBeCloseTo(pairs, 9);
      expect(wassersteinDistance(b, a)).toBeCloseTo(pairs, 9);
    }
  });
});

describe("the sampler", () => {
  const prng = createPrng(11);
  const functions = Array.from({ length: 200 }, () => ({
    invocationsPerMinute: Math.exp(prng.normal(0, 2)),
    meanDurationMs: Math.exp(prng.normal(6, 1)),
    memoryMb: 128 + prng.nextInt(900),
  }));

  it("is nearer to the whole trace than a random sample usually is", () => {
    const chosen = sampleFunctions(functions, { size: 40, trials: 30 }, createPrng(1));
    expect(chosen.indices).toHaveLength(40);
    const all = functions.map((f) => f.invocationsPerMinute);
    const random = Array.from({ length: 40 }, (_, i) =>
      wassersteinDistance(createPrng(i, "random").shuffle(all).slice(0, 40), all),
    ).sort((a, b) => a - b);
    expect(chosen.invocationDistance).toBeLessThan(random[20] ?? 0);
  });

  it("nests samples, keeps everything when asked to, and refuses more than there is", () => {
    const large = sampleFunctions(functions, { size: 100, step: 20 }, createPrng(2)).indices;
    const small = sampleFunctions(functions, { size: 60, step: 20 }, createPrng(2)).indices;
    expect(small.every((i) => large.includes(i))).toBe(true);
    const whole = sampleFunctions(functions, { size: 200 }, createPrng(2));
    expect(whole.invocationDistance + whole.resourceDistance).toBe(0);
    expect(() => sampleFunctions(functions, { size: 201 }, prng)).toThrowError(/1\.\.200/);
  });
});
