import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type GgufError, type GgufFailure, openGguf } from "../../src/gguf/index.ts";
import { type Field, fieldMap } from "./field-map.ts";
import { smallFile, temporaryFiles } from "./samples.ts";

describe("a malformed GGUF file is refused with the byte that is wrong", () => {
  const put = temporaryFiles();
  const failureOf = (bytes: Uint8Array): GgufFailure => failureAt(put(bytes));

  /** The small file with the n-th field of a kind changed. */
  function edited(kind: Field["kind"], nth: number, value: bigint) {
    const bytes = smallFile();
    const field = fieldMap(bytes).fields.filter((f) => f.kind === kind)[nth];
    if (field === undefined) throw new Error("no such field");
    const view = new DataView(bytes.buffer);
    if (field.bytes === 4) view.setUint32(field.position, Number(value), true);
    else view.setBigUint64(field.position, value, true);
    return { failure: failureOf(bytes), position: field.position };
  }

  it.each([
    ["magic", 0, 0x4747_5546n, "WRONG_MAGIC"],
    ["version", 0, 1n, "UNSUPPORTED_VERSION"],
    ["version", 0, 4n, "UNSUPPORTED_VERSION"],
    ["version", 0, 0x0300_0000n, "UNSUPPORTED_VERSION"],
    ["count", 0, 2n ** 64n - 1n, "ABSURD_COUNT"],
    ["count", 1, 2n ** 63n, "ABSURD_COUNT"],
    ["count", 2, 2n ** 40n, "ABSURD_COUNT"],
    ["length", 0, 2n ** 53n, "ABSURD_COUNT"],
    ["length", 0, 0n, "BAD_VALUE"],
    ["valueType", 0, 13n, "BAD_VALUE"],
    ["tensorType", 0, 4n, "UNKNOWN_TENSOR_TYPE"],
    ["tensorType", 0, 40n, "UNKNOWN_TENSOR_TYPE"],
    ["size", 0, 0n, "BAD_VALUE"],
    ["size", 1, 2n ** 62n, "BAD_VALUE"],
    ["offset", 1, 33n, "BAD_TENSOR_PLACE"],
    ["offset", 1, 0n, "BAD_TENSOR_PLACE"],
    ["offset", 0, 1_048_576n, "BAD_TENSOR_PLACE"],
    ["offset", 0, 2n ** 64n - 32n, "BAD_TENSOR_PLACE"],
  ] as const)("%s number %i set to %i", (kind, nth, value, code) => {
    const { failure, position } = edited(kind, nth, value);
    expect(failure.code).toBe(code);
    expect(failure).toMatchObject({ position });
  });

  it("refuses a row that is no whole number of blocks", () => {
    // The second tensor is q8_0 of rows of 64; its first size is the third of the directory.
    expect(edited("size", 2, 65n).failure.code).toBe("BAD_VALUE");
  });

  it("refuses five dimensions and none", () => {
    const bytes = smallFile({ metadata: [] });
    const counts = fieldMap(bytes).fields.filter((f) => f.kind === "count");
    for (const dimensions of [0, 5, 0xffff_ffff]) {
      new DataView(bytes.buffer).setUint32(counts[2]?.position ?? 0, dimensions, true);
      expect(failureOf(bytes).code).toBe("BAD_VALUE");
    }
  });

  it("refuses a file cut at any byte of its header or data", () => {
    const whole = smallFile();
    // The last tensor's padding is not needed, so the file may end before it.
    const needed = whole.length - 16;
    for (let length = 0; length < needed; length++) {
      const code = failureOf(whole.subarray(0, length)).code;
      expect(["TRUNCATED", "ABSURD_COUNT", "BAD_VALUE", "BAD_TENSOR_PLACE"]).toContain(code);
    }
  });

  it("refuses keys and tensor names that occur twice", () => {
    const value = { type: "bool", value: true } as const;
    const twice = smallFile({
      metadata: [
        ["k", value],
        ["k", value],
      ],
    });
    expect(failureOf(twice)).toMatchObject({ code: "DUPLICATE_NAME", name: "k" });
    const tensor = { name: "t", type: 24, shape: [1], bytes: new Uint8Array(1) };
    expect(failureOf(smallFile({ tensors: [tensor, tensor] }))).toMatchObject({
      code: "DUPLICATE_NAME",
      name: "t",
    });
  });

  it("refuses a text that is not UTF-8", () => {
    const bytes = smallFile({ metadata: [["k", { type: "string", value: "xy" }]] });
    bytes[bytes.indexOf(0x78)] = 0xff;
    expect(failureOf(bytes).code).toBe("BAD_UTF8");
  });

  it("refuses a boolean of 2", () => {
    const bytes = smallFile({ metadata: [["k", { type: "bool", value: true }]], tensors: [] });
    bytes[24 + 8 + 1 + 4] = 2;
    expect(failureOf(bytes).code).toBe("BAD_VALUE");
  });

  it.each([0, 3, 4, 33, 2 ** 31])("refuses an alignment of %i", (value) => {
    const metadata = [["general.alignment", { type: "uint32", value }]] as const;
    expect(failureOf(smallFile({ metadata })).code).toBe("BAD_VALUE");
  });

  it("refuses an alignment that is a text", () => {
    const metadata = [["general.alignment", { type: "string", value: "32" }]] as const;
    expect(failureOf(smallFile({ metadata })).code).toBe("BAD_VALUE");
  });

  it("refuses arrays nested beyond four levels", () => {
    let value: never = { type: "array", elementType: "uint8", value: new Uint8Array(1) } as never;
    for (let depth = 0; depth < 4; depth++) {
      value = { type: "array", elementType: "array", value: [value] } as never;
    }
    expect(failureOf(smallFile({ metadata: [["k", value]] })).code).toBe("BAD_VALUE");
  });

  it("refuses a missing file, a folder and a pipe without waiting", () => {
    const folder = mkdtempSync(join(tmpdir(), "fmlab-gguf-"));
    try {
      const pipe = join(folder, "pipe");
      expect(spawnSync("mkfifo", [pipe]).status).toBe(0);
      for (const path of [join(folder, "none.gguf"), folder, pipe]) {
        expect(failureAt(path)).toMatchObject({ code: "UNREADABLE", path });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function failureAt(path: string): GgufFailure {
  try {
    openGguf(path).close();
  } catch (error) {
    expect((error as Error).name).toBe("GgufError");
    return (error as GgufError).failure;
  }
  throw new Error("the file was accepted");
}
