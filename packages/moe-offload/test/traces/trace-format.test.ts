import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { RoutingCursor } from "../../src/traces/routing-cursor.ts";
import { checkTrace, firstTokens, sequenceStarts, type Trace } from "../../src/traces/trace.ts";
import { contentsOf } from "../../src/traces/trace-block.ts";
import { readTrace, TraceFileWriter, writeTrace } from "../../src/traces/trace-file.ts";
import { decodeTrace } from "../../src/traces/trace-format.ts";
import { MemoryTraceSink, TraceRecorder } from "../../src/traces/trace-recorder.ts";
import { SMALL_SHAPE, smallTrace } from "./small-trace.ts";

const folder = mkdtempSync(path.join(tmpdir(), "trace-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => path.join(folder, name);
const badTrace = expect.objectContaining({
  failure: expect.objectContaining({ code: "BAD_TRACE" }),
});
const failure = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return "nothing was thrown";
};
/** Compares arrays as bytes: element by element takes seconds. */
const expectSame = (found: Trace, expected: Trace) => {
  const plain = (trace: Trace) =>
    Object.entries(trace).map(([name, value]) => {
      if (!ArrayBuffer.isView(value)) return [name, value];
      return [name, Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")];
    });
  expect(new Map(plain(found) as [string, unknown][])).toEqual(
    new Map(plain(expected) as [string, unknown][]),
  );
};
const bytesOf = (trace: Trace, gzip = false): Buffer => {
  writeTrace(file("bytes"), trace, { gzip });
  return readFileSync(file("bytes"));
};

describe("a trace file", () => {
  it("gives back what was written, plain and gzip, whole and bare, over several blocks", () => {
    for (const isBare of [false, true]) {
      for (const gzip of [false, true]) {
        const trace = smallTrace({ tokens: 1030, isBare });
        writeTrace(file("a.trace"), trace, { gzip });
        expectSame(readTrace(file("a.trace")), trace);
      }
    }
  });

  it("holds a trace without tokens", () => {
    expect(decodeTrace(bytesOf(smallTrace({ tokens: 0 })), "x").tokenCount).toBe(0);
  });

  it("is refused when cut off at any byte, or longer than it says", () => {
    const bytes = bytesOf(smallTrace({ tokens: 3 }));
    for (let length = 0; length < bytes.length; length++) {
      expect(failure(() => decodeTrace(bytes.subarray(0, length), "x"))).toEqual(badTrace);
    }
    expect(failure(() => decodeTrace(Buffer.concat([bytes, bytes]), "x"))).toEqual(badTrace);
    const packed = bytesOf(smallTrace({ tokens: 3 }), true);
    for (let length = 2; length < packed.length; length += 7) {
      expect(failure(() => decodeTrace(packed.subarray(0, length), "x"))).toEqual(badTrace);
    }
  });

  it("is refused when any byte of it is changed", () => {
    const bytes = bytesOf(smallTrace({ tokens: 3 }));
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(
        failure(() => decodeTrace(changed, "x")),
        `byte ${at}`,
      ).toEqual(badTrace);
    }
  });

  it("is refused when it does not exist", () => {
    expect(failure(() => readTrace(file("missing")))).toEqual(badTrace);
  });

  it("leaves nothing behind when it cannot be written", () => {
    const writer = new TraceFileWriter(file("b.trace"), contentsOf(smallTrace()));
    writer.discard();
    expect(failure(() => writer.close())).toMatchObject({ code: "TRACE_NOT_WRITTEN" });
    const inFile = path.join(file("a.trace"), "b");
    expect(failure(() => writeTrace(inFile, smallTrace()))).toMatchObject({
      code: "TRACE_NOT_WRITTEN",
    });
    expect(existsSync(file("b.trace"))).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it.runIf(existsSync("/dev/full"))("reports a full disk and closes its file", () => {
    const before = readdirSync("/proc/self/fd").length;
    symlinkSync("/dev/full", file("full.trace.part"));
    expect(failure(() => writeTrace(file("full.trace"), smallTrace()))).toMatchObject({
      code: "TRACE_NOT_WRITTEN",
      message: expect.stringContaining("ENOSPC"),
    });
    expect(existsSync(file("full.trace.part"))).toBe(false);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

describe("the check of a trace", () => {
  const broken: [string, (trace: Trace) => Partial<Trace>][] = [
    ["an expert out of range", (t) => ({ experts: t.experts.map((e, i) => (i === 7 ? 6 : e)) })],
    ["an expert twice in a layer", (t) => ({ experts: t.experts.map(() => 3) })],
    ["too few experts", (t) => ({ experts: t.experts.subarray(1) })],
    ["too few positions", (t) => ({ positions: t.positions.subarray(1) })],
    ["a probability that is no number", (t) => ({ probabilities: poked(t, Number.NaN) })],
    ["a negative probability", (t) => ({ probabilities: poked(t, -0.1) })],
    ["probabilities that do not sum to 1", (t) => ({ probabilities: poked(t, 0.9) })],
    ["an infinite logit", (t) => ({ ahead: t.ahead?.map((v, i) => (i === 3 ? v / 0 : v)) })],
    ["a negative time", (t) => ({ computeMs: t.computeMs?.map((v, i) => (i === 3 ? -v : v)) })],
    ["a depth beyond 3", () => ({ aheadDepth: 4 })],
    ["no layers", (t) => ({ shape: { ...t.shape, moeLayers: [] } })],
    ["layers out of order", (t) => ({ shape: { ...t.shape, moeLayers: [2, 1, 3] } })],
    ["a layer beyond the last", (t) => ({ shape: { ...t.shape, moeLayers: [1, 2, 4] } })],
    ["more experts a token than there are", (t) => ({ shape: { ...t.shape, expertUsedCount: 7 } })],
    ["a layer count of a half", (t) => ({ shape: { ...t.shape, layerCount: 3.5 } })],
  ];
  const poked = (trace: Trace, value: number) =>
    trace.probabilities?.map((p, i) => (i === 4 ? value : p));

  it.each(broken)("refuses %s", (_name, change) => {
    const trace = smallTrace();
    expect(() => checkTrace(trace, "x")).not.toThrow();
    expect(failure(() => checkTrace({ ...trace, ...change(trace) } as Trace, "x"))).toEqual(
      badTrace,
    );
  });
});

describe("a recorder", () => {
  const replay = (trace: Trace, sink: MemoryTraceSink | TraceFileWriter) => {
    const recorder = new TraceRecorder(contentsOf(trace), sink);
    const cursor = new RoutingCursor(trace);
    const { length } = trace.shape.moeLayers;
    for (let row = 0; row < trace.tokenCount * length; row++) {
      const routing = cursor.at(Math.floor(row / length), row % length);
      recorder.add(routing, trace.computeMs?.[row] ?? 0);
    }
    recorder.flush();
  };

  it("records what it is told, in memory and straight to a file", () => {
    const trace = smallTrace({ tokens: 300 });
    // Beyond the last layer nothing is told: those rows come back as 0.
    const { expertCount } = SMALL_SHAPE;
    trace.ahead?.forEach((_, i) => {
      const row = Math.floor(i / expertCount);
      const layer = 1 + (Math.floor(row / 2) % 3);
      if (layer + 1 + (row % 2) > 3 && trace.ahead) trace.ahead[i] = 0;
    });
    const memory = new MemoryTraceSink(contentsOf(trace));
    replay(trace, memory);
    expectSame(memory.toTrace(), trace);
    const writer = new TraceFileWriter(file("c.trace"), contentsOf(trace));
    replay(trace, writer);
    expect(existsSync(file("c.trace"))).toBe(false);
    writer.close();
    expectSame(readTrace(file("c.trace")), trace);
  });

  it("leaves out a token that was broken off, and refuses layers out of order", () => {
    const trace = smallTrace({ tokens: 3 });
    const sink = new MemoryTraceSink(contentsOf(trace));
    const recorder = new TraceRecorder(contentsOf(trace), sink);
    const cursor = new RoutingCursor(trace);
    recorder.add(cursor.at(0, 0));
    for (const index of [0, 1, 2]) recorder.add(cursor.at(1, index));
    expect(recorder.tokenCount).toBe(1);
    expect(failure(() => recorder.add(cursor.at(2, 1)))).toEqual(badTrace);
    recorder.add(cursor.at(2, 0));
    expect(failure(() => recorder.add(cursor.at(2, 2)))).toEqual(badTrace);
    expect(failure(() => recorder.add({ ...cursor.at(2, 1), experts: new Int32Array(3) }))).toEqual(
      badTrace,
    );
    recorder.flush();
    expect(sink.toTrace().experts).toEqual(trace.experts.subarray(6, 12));
  });
});

describe("a cursor", () => {
  it("tells each layer with as many later routers as there are later layers", () => {
    const cursor = new RoutingCursor(smallTrace());
    expect([0, 1, 2].map((index) => cursor.at(0, index).ahead.length)).toEqual([2, 1, 0]);
    expect(cursor.at(2, 1)).toMatchObject({ layer: 2, token: 2, position: 2 });
  });

  it("gives chosen experts equal shares where no probabilities were recorded", () => {
    const { experts, probabilities } = new RoutingCursor(smallTrace({ isBare: true })).at(1, 0);
    expect([...experts].map((e) => probabilities[e])).toEqual([0.5, 0.5]);
    expect(probabilities.reduce((a, b) => a + b)).toBe(1);
  });
});

describe("a part of a trace", () => {
  it("is a valid trace, and sequences begin where positions jump", () => {
    const trace = smallTrace({ tokens: 12 });
    expect(sequenceStarts(trace)).toEqual([0, 5, 10]);
    const part = firstTokens(trace, 7);
    expect(() => checkTrace(part, "x")).not.toThrow();
    expect(part.tokenCount).toBe(7);
  });
});
