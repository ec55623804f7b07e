import { copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  encodeGguf,
  encodeSplitGguf,
  GgufError,
  type GgufFailure,
  type GgufInput,
  openGguf,
  splitPath,
} from "../../src/gguf/index.ts";
import { EVERY_VALUE, SMALL, smallFile } from "./samples.ts";

/** Puts a split file into `folder`; the paths of its parts. */
function put(folder: string, input: GgufInput, partCount: number, name = "model"): string[] {
  return encodeSplitGguf(input, partCount).map((bytes, part) => {
    const path = splitPath(join(folder, name), part, partCount);
    writeFileSync(path, bytes);
    return path;
  });
}

function failureOf(call: () => unknown): GgufFailure {
  try {
    call();
  } catch (error) {
    if (error instanceof GgufError) return error.failure;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const handles = () => readdirSync("/proc/self/fd").length;

describe("a model split into several files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fmlab-split-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it.each([2, 3, 4, 6])("of %i parts reads as the whole does, whichever is opened", (count) => {
    const paths = put(folder, { ...SMALL, alignment: 64 }, count);
    for (const path of paths) {
      const file = openGguf(path);
      expect([file.path, file.partPaths]).toEqual([paths[0], paths]);
      expect([...file.metadata].slice(0, EVERY_VALUE.length)).toEqual(EVERY_VALUE);
      expect([...file.tensors.keys()]).toEqual(SMALL.tensors.map(({ name }) => name));
      for (const written of SMALL.tensors) {
        const tensor = file.tensors.get(written.name);
        const bytes = new Uint8Array(tensor?.sizeBytes ?? 0);
        file.read(tensor?.offset ?? 0, bytes, tensor?.part);
        expect(bytes).toEqual(written.bytes);
        expect(tensor?.path).toBe(paths[tensor?.part ?? -1]);
      }
      expect(() => file.read(0, new Uint8Array(1), count)).toThrow(RangeError);
      file.close();
      for (let part = 0; part < count; part++) {
        expect(() => file.read(0, new Uint8Array(1), part)).toThrow(/closed/);
      }
    }
  });

  it("names its parts as llama.cpp does", () => {
    expect(splitPath("a/b", 0, 2)).toBe("a/b-00001-of-00002.gguf");
    expect(splitPath("x", 11, 12_345)).toBe("x-00012-of-12345.gguf");
  });

  it("in one part is whole, whatever its name", () => {
    const path = join(folder, "x.gguf");
    writeFileSync(path, encodeSplitGguf(SMALL, 1)[0] ?? new Uint8Array(0));
    const file = openGguf(path);
    expect([file.partPaths, file.tensors.size]).toEqual([[path], SMALL.tensors.length]);
    file.close();
  });

  it("is refused without a part, which is named", () => {
    const paths = put(folder, SMALL, 3);
    rmSync(paths[1] ?? "");
    const before = handles();
    for (const path of [paths[0], paths[2]]) {
      expect(failureOf(() => openGguf(path ?? ""))).toMatchObject({
        code: "MISSING_PART",
        path: paths[1],
        part: 2,
        partCount: 3,
      });
    }
    expect(() => openGguf(paths[0] ?? "")).toThrow(/part 2 of 3 .* there is no such file/);
    expect(handles()).toBe(before);
  });

  it.each<[string, (paths: string[], folder: string) => void]>([
    [
      "two parts in each other's place",
      ([, b = "", c = ""], at) => {
        renameSync(b, join(at, "x"));
        renameSync(c, b);
        renameSync(join(at, "x"), c);
      },
    ],
    ["one part twice", ([, b = "", c = ""]) => copyFileSync(b, c)],
    [
      "a part of a file with other tensors",
      ([, , c = ""], at) => {
        const other = put(at, { ...SMALL, tensors: SMALL.tensors.slice(0, 3) }, 3, "other");
        copyFileSync(other[2] ?? "", c);
      },
    ],
    [
      "a part of a file with more parts",
      ([, , c = ""], at) => {
        copyFileSync(put(at, SMALL, 4, "other")[2] ?? "", c);
      },
    ],
    ["a whole file as a part", ([, b = ""]) => writeFileSync(b, smallFile())],
  ])("is refused with %s", (_, spoil) => {
    const paths = put(folder, SMALL, 3);
    spoil(paths, folder);
    const before = handles();
    const failure = failureOf(() => openGguf(paths[0] ?? ""));
    expect(failure).toMatchObject({ code: "WRONG_PART" });
    expect(handles()).toBe(before);
  });

  it("is refused when a part lacks tensors or has one that another part has", () => {
    const paths = put(folder, SMALL, 2);
    const keys = (count: number): GgufInput["metadata"] => [
      ["split.no", { type: "uint16", value: 1 }],
      ["split.count", { type: "uint16", value: 2 }],
      ["split.tensors.count", { type: "int32", value: count }],
    ];
    const second = (tensors: GgufInput["tensors"]) =>
      writeFileSync(paths[1] ?? "", encodeGguf({ metadata: keys(SMALL.tensors.length), tensors }));
    second(SMALL.tensors.slice(3));
    expect(() => openGguf(paths[0] ?? "")).toThrow(/all parts together hold 3 tensors/);
    second(SMALL.tensors.slice(1, 3));
    expect(failureOf(() => openGguf(paths[0] ?? ""))).toMatchObject({ code: "DUPLICATE_NAME" });
  });

  it("is refused under a name that does not lead to its parts", () => {
    const [first = ""] = put(folder, SMALL, 2);
    for (const name of ["model.gguf", "model-00002-of-00002x.gguf", "model-00001-of-00003.gguf"]) {
      const path = join(folder, name);
      copyFileSync(first, path);
      const failure = failureOf(() => openGguf(path));
      expect(failure).toMatchObject({ code: "WRONG_PART", path });
      expect(basename(path)).toBe(name);
    }
  });

  it("is refused with absurd split keys, without touching another file", () => {
    const path = join(folder, "model-00001-of-00002.gguf");
    for (const [key, value] of [
      ["split.count", 2 ** 31],
      ["split.count", 100_000],
      ["split.no", 2],
      ["split.no", 70_000],
      ["split.tensors.count", -1],
    ] as const) {
      const metadata = new Map<string, { type: "int64"; value: bigint }>([
        ["split.no", { type: "int64", value: 0n }],
        ["split.count", { type: "int64", value: 2n }],
        ["split.tensors.count", { type: "int64", value: 4n }],
      ]).set(key, { type: "int64", value: BigInt(value) });
      writeFileSync(path, encodeGguf({ ...SMALL, metadata }));
      expect(failureOf(() => openGguf(path))).toMatchObject({ code: "WRONG_KEY", key });
    }
  });
});
