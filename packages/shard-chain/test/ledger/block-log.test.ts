import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BlockLog } from "../../src/ledger/block-log.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-block-log-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const payloads = [
  Buffer.from("first"),
  Buffer.alloc(0),
  Buffer.from("FMBL inside"),
  Buffer.alloc(9, 7),
];

/** A log with the payloads, and where each record ends. */
function writeLog(name: string): { file: string; ends: number[] } {
  const file = path.join(folder, name);
  const { log } = BlockLog.open(file);
  const ends = payloads.map((payload) => {
    log.append(payload);
    return readFileSync(file).length;
  });
  log.close();
  return { file, ends };
}

describe("the block log", () => {
  it("gives back what was appended, over several openings", () => {
    const { file } = writeLog("whole");
    const again = BlockLog.open(file);
    expect(again.recovery.records.map((record) => Buffer.from(record))).toEqual(payloads);
    expect(again.recovery.droppedBytes).toBe(0);
    again.log.append(Buffer.from("more"));
    expect(again.log.count).toBe(payloads.length + 1);
    again.log.close();
    const { log, recovery } = BlockLog.open(file);
    expect(Buffer.from(recovery.records.at(-1) ?? []).toString()).toBe("more");
    log.close();
  });

  it("recovers the whole records from a file cut at any byte, and goes on from there", () => {
    const { file, ends } = writeLog("source");
    const bytes = readFileSync(file);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const torn = path.join(folder, "torn");
      writeFileSync(torn, bytes.subarray(0, cut));
      const whole = ends.filter((end) => end <= cut).length;
      const { log, recovery } = BlockLog.open(torn);
      expect(recovery.records.length, `cut at byte ${cut}`).toBe(whole);
      expect(recovery.droppedBytes).toBe(cut - (ends[whole - 1] ?? 0));
      log.append(Buffer.from("after the crash"));
      log.close();
      const reopened = BlockLog.open(torn);
      expect(reopened.recovery.records.map((record) => Buffer.from(record))).toEqual([
        ...payloads.slice(0, whole),
        Buffer.from("after the crash"),
      ]);
      reopened.log.close();
    }
  });

  it("tells damage at any byte before the last record, and drops a damaged last one", () => {
    const { file, ends } = writeLog("sound");
    const bytes = readFileSync(file);
    const lastStart = ends.at(-2) ?? 0;
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      const target = path.join(folder, "damaged");
      writeFileSync(target, damaged);
      if (at < lastStart) {
        expect(() => BlockLog.open(target), `byte ${at}`).toThrow(
          expect.objectContaining({ code: "CORRUPT_LOG" }),
        );
      } else {
        const { log, recovery } = BlockLog.open(target);
        expect(recovery.records).toHaveLength(payloads.length - 1);
        log.close();
      }
    }
  });

  it("refuses to append once closed, and a path that cannot be opened", () => {
    const { log } = BlockLog.open(path.join(folder, "closed"));
    log.close();
    expect(() => log.append(Buffer.from("x"))).toThrow(
      expect.objectContaining({ code: "LOG_NOT_WRITTEN" }),
    );
    expect(() => BlockLog.open(path.join(folder, "no", "such", "folder"))).toThrow(
      expect.objectContaining({ code: "UNREADABLE" }),
    );
  });
});
