import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { readFailure, writeFailure } from "../../src/tiers/lane-failure.ts";
import { laneMemory, type ReaderInput } from "../../src/tiers/lane-memory.ts";
import { ReaderThreads } from "../../src/tiers/reader-threads.ts";
import { TransferLane, type TransferLaneOptions } from "../../src/tiers/transfer-lane.ts";
import { type SyntheticModel, TestSlots, writeSynthetic } from "./synthetic.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-faults-"));
afterAll(() => rmSync(folder, { recursive: true }));
const SHAPE = {
  moeLayers: [0, 1],
  expertCount: 4,
  partBytes: [3000, 3000, 5000] as [number, number, number],
};
const slots = new TestSlots(4, SHAPE.partBytes);
/** No transfer over this link ends while a test runs. */
const ENDLESS = { bandwidthMBps: 0, latencyUs: 1e9, queueDepth: 1 };

function write(name: string): SyntheticModel {
  return writeSynthetic(SHAPE, [join(folder, name)]);
}

function open(model: Pick<SyntheticModel, "layout">, more: Partial<TransferLaneOptions> = {}) {
  return new TransferLane({ layout: model.layout, slots: slots.regions, ...more });
}

/** A thread that cancels at once; it needs nothing of this thread, which may be blocked. */
function cancelElsewhere(cancelFlag: Int32Array): Worker {
  const code = `
    const { workerData } = require("node:worker_threads");
    Atomics.store(workerData, 0, 1);
    Atomics.notify(workerData, 0);`;
  return new Worker(code, { eval: true, workerData: cancelFlag, execArgv: [] });
}

describe("a file that cannot be read", () => {
  it.each(["direct", "buffered"] as const)(
    "because it was cut short is told with place and reason, by %s reads",
    (readMode) => {
      const model = write(`cut-${readMode}`);
      const lane = open(model, { readMode, readers: 2 });
      const { path, offset } = model.layout.range(1, 2, "up");
      truncateSync(path, offset + 100);
      lane.submit(0, 0, "demand");
      lane.waitFor(0);
      expect(slots.holds(0, model, 0)).toBe(true);
      lane.submit(6, 1, "prefetch");
      const failure = expect.objectContaining({
        code: "EXPERT_UNREADABLE",
        message: expect.stringMatching(/expert [23] of layer 1 .* the file is cut short/),
      });
      // By whichever call comes first after the read.
      expect(() => {
        lane.submit(7, 2, "demand");
        lane.waitFor(1);
      }).toThrow(failure);
      // The lane is of no further use, and says so whatever it is asked.
      expect(() => lane.submit(0, 3, "demand")).toThrow(failure);
      expect(() => lane.drain(() => {})).toThrow(failure);
      expect(() => lane.waitFor(2)).toThrow(failure);
      lane.close();
      lane.close();
    },
  );

  it("names the part of the expert at which it ends", () => {
    const model = write("part");
    const lane = open(model);
    const { path, offset } = model.layout.range(0, 1, "up");
    truncateSync(path, offset + 100);
    lane.submit(1, 0, "demand");
    expect(() => lane.waitFor(0)).toThrow(
      `${path}: expert 1 of layer 0 (byte ${offset}) cannot be read: ` +
        "only 100 of 3000 bytes came",
    );
    lane.close();
  });

  it("because it is not there, is a folder, or gives errors is refused at the start", () => {
    mkdirSync(join(folder, "folder"));
    const refused = (path: string) => {
      const range = () => ({ path, offset: 0, sizeBytes: 3000 });
      const layout = { moeLayers: [0], expertCount: 1, range };
      expect(() => open({ layout }, { readers: 2 })).toThrow(
        expect.objectContaining({
          code: "EXPERT_UNREADABLE",
          failure: expect.objectContaining({ path }),
        }),
      );
    };
    refused(join(folder, "none"));
    refused(join(folder, "folder"));
    // Reading at its start is an input/output error, as from a broken disk.
    refused("/proc/self/mem");
  });

  it.skipIf(process.getuid?.() === 0)("because of its permissions is refused at the start", () => {
    const model = write("secret");
    chmodSync(model.paths[0] ?? "", 0);
    expect(() => open(model)).toThrow(/EACCES/);
  });

  it("does no harm when it is deleted meanwhile: what is open stays readable", () => {
    const model = write("deleted");
    const lane = open(model);
    unlinkSync(model.paths[0] ?? "");
    for (const key of model.keys) {
      lane.submit(key, key % 4, "demand");
      lane.waitFor(key % 4);
      expect(slots.holds(key % 4, model, key)).toBe(true);
    }
    lane.close();
  });
});

describe("a transfer under way", () => {
  it("ends when the run is cancelled by another thread", async () => {
    const model = write("cancel");
    const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
    const lane = open(model, { fast: ENDLESS, cancelFlag });
    lane.submit(0, 0, "demand");
    const canceller = cancelElsewhere(cancelFlag);
    expect(() => lane.waitFor(0)).toThrow(/the run was cancelled/);
    expect(() => open(model, { cancelFlag })).toThrow(/the run was cancelled/);
    lane.close();
    await canceller.terminate();
  });

  it("is given up by closing, and so is reading ahead; nothing is written afterwards", () => {
    const model = write("close");
    const own = new TestSlots(4, SHAPE.partBytes);
    const host = { budgetBytes: 8 * 11_008, mode: "window", preload: false } as const;
    const lane = open(model, {
      slots: own.regions,
      fast: ENDLESS,
      disk: ENDLESS,
      host,
      readers: 3,
    });
    for (let slot = 0; slot < 4; slot++) lane.submit(slot, slot, "demand");
    lane.close();
    for (let slot = 0; slot < 4; slot++) {
      expect(lane.isReady(slot)).toBe(false);
      own.view(slot, "gate").fill(7);
    }
    expect(own.view(0, "gate").every((byte) => byte === 7)).toBe(true);
  });
});

describe("threads that fail for another reason", () => {
  it("are told with what they said, the first of several", () => {
    const links = { diskLink: new Float64Array(2), fastLink: new Float64Array(2) };
    const memory = { ...laneMemory(1, 1), ...links };
    const threads = new ReaderThreads(0, 0, { memory } as unknown as ReaderInput);
    expect(() => threads.throwIfFailed()).not.toThrow();
    writeFailure(memory, new Error("the roof is on fire"));
    writeFailure(memory, new Error("so is the cellar"));
    expect(() => threads.throwIfFailed()).toThrow(
      expect.objectContaining({
        code: "TRANSFER_FAILED",
        message: expect.stringContaining("the roof is on fire"),
      }),
    );
  });

  it("are told also when what they said is too long", () => {
    const links = { diskLink: new Float64Array(2), fastLink: new Float64Array(2) };
    const memory = { ...laneMemory(1, 1), ...links };
    writeFailure(memory, new Error("é".repeat(9000)));
    expect(readFailure(memory)).toMatchObject({
      kind: "broken",
      reason: expect.stringContaining("too long"),
    });
  });

  it.each([0, 17, 1.5])("cannot be %d", (readers) => {
    expect(() => open(write("count"), { readers })).toThrow(
      /readers is .* expected a whole number/,
    );
  });
});
