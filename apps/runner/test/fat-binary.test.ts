import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keepArchitecture } from "../bundle/fat-binary.ts";
import { writeSparse } from "../bundle/sparse-file.ts";

const MAGIC = 0xba55ed50;
const PTX = 1;
const MACHINE_CODE = 2;

interface Entry {
  kind: number;
  architecture: number;
  payload: Buffer;
}

/** One entry as nvcc lays it out: a header of 64 bytes, then the payload. */
function entryBytes({ architecture, kind, payload }: Entry): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt16LE(kind, 0);
  header.writeUInt16LE(0x101, 2);
  header.writeUInt32LE(header.length, 4);
  header.writeBigUInt64LE(BigInt(payload.length), 8);
  header.writeUInt32LE(architecture, 28);
  return Buffer.concat([header, payload]);
}

function fatBinary(entries: Entry[]): Buffer {
  const body = Buffer.concat(entries.map(entryBytes));
  const header = Buffer.alloc(16);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt16LE(1, 4);
  header.writeUInt16LE(16, 6);
  header.writeBigUInt64LE(BigInt(body.length), 8);
  return Buffer.concat([header, body]);
}

/** Other code of the library: also the magic number by chance, aligned and not. */
function otherCode(): Buffer {
  const bytes = Buffer.alloc(4096, 0x90);
  bytes.writeUInt32LE(MAGIC, 80);
  bytes.writeUInt32LE(MAGIC, 1001);
  return bytes;
}

/** Bytes of which none is zero. */
const code = (bytes: number) => Buffer.from(Array.from({ length: bytes }, (_, i) => 1 + (i % 251)));
const entry = (kind: number, architecture: number, bytes = 8 * (1 + architecture)): Entry => ({
  kind,
  architecture,
  payload: code(bytes),
});

/** A library, and what must be left of it for one architecture. */
function library(kept: number): { whole: Buffer; expected: Buffer; clearedBytes: number } {
  const binaries = [
    [entry(PTX, 75), entry(MACHINE_CODE, 86), entry(MACHINE_CODE, 90)],
    [entry(MACHINE_CODE, 90), entry(MACHINE_CODE, 89), entry(PTX, 80), entry(PTX, 90)],
    [entry(MACHINE_CODE, 86)],
  ];
  const isKept = (one: Entry) => one.kind === MACHINE_CODE && one.architecture === kept;
  const clear = (one: Entry) =>
    isKept(one) ? one : { ...one, payload: Buffer.alloc(one.payload.length) };
  const around = (all: Entry[][]) =>
    Buffer.concat([otherCode(), ...all.flatMap((one) => [fatBinary(one), otherCode()])]);
  const cleared = binaries.flat().filter((one) => !isKept(one));
  return {
    whole: around(binaries),
    expected: around(binaries.map((one) => one.map(clear))),
    clearedBytes: cleared.reduce((total, { payload }) => total + payload.length, 0),
  };
}

describe("keepArchitecture", () => {
  it.each([86, 89, 90])("keeps the machine code for sm_%i and every other byte", (kept) => {
    const { clearedBytes, expected, whole } = library(kept);
    const stripped = keepArchitecture(whole, kept);
    expect(whole.equals(expected)).toBe(true);
    expect(stripped).toMatchObject({ architectures: [86, 89, 90], fatBinaries: 3, clearedBytes });
    expect(stripped.keptEntries).toBe(kept === 89 ? 1 : 2);
  });

  it("refuses an architecture it has only PTX for, and changes nothing", () => {
    const { whole } = library(90);
    const before = Buffer.from(whole);
    expect(() => keepArchitecture(whole, 75)).toThrow(/no machine code for sm_75.*sm_86, sm_89/);
    expect(whole.equals(before)).toBe(true);
  });

  it("reads nothing beyond a library that is cut off within a fat binary", () => {
    const { whole } = library(90);
    const end = whole.length - 4096 - 100;
    const cut = whole.subarray(0, end);
    expect(keepArchitecture(cut, 90).fatBinaries).toBe(2);
  });
});

describe("writeSparse", () => {
  it("writes every byte, and no blocks for zeros", () => {
    const folder = mkdtempSync(join(tmpdir(), "fmlab-sparse-"));
    try {
      const path = join(folder, "library");
      const bytes = Buffer.concat([code(5000), Buffer.alloc(2 ** 20), code(3), Buffer.alloc(9)]);
      closeSync(openSync(path, "w"));
      writeSparse(path, bytes);
      expect(readFileSync(path).equals(bytes)).toBe(true);
      expect(statSync(path).blocks * 512).toBeLessThan(2 ** 17);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
