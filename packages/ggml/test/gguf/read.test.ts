import { describe, expect, it } from "vitest";
import { GgufError, getTensor, openGguf } from "../../src/gguf/index.ts";
import { fieldMap } from "./field-map.ts";
import { EVERY_VALUE, SHIPPED_MODEL, SMALL, smallFile, temporaryFiles } from "./samples.ts";

describe("reading a well-formed GGUF file", () => {
  const put = temporaryFiles();

  it("gives back every value type, key by key, in versions 2 and 3", () => {
    for (const version of [2, 3]) {
      const file = openGguf(put(smallFile({ version })));
      expect(file.version).toBe(version);
      expect([...file.metadata]).toEqual(EVERY_VALUE);
      file.close();
    }
  });

  it("reads arrays of arrays", () => {
    const value = {
      type: "array",
      elementType: "array",
      value: [
        { type: "array", elementType: "string", value: ["a"] },
        { type: "array", elementType: "int32", value: Int32Array.of(1, 2) },
      ],
    } as const;
    const nested = structuredClone(value) as never;
    const file = openGguf(put(smallFile({ metadata: [["nested", nested]] })));
    expect(file.metadata.get("nested")).toEqual(value);
    file.close();
  });

  it("finds each tensor's bytes, whatever the alignment", () => {
    for (const alignment of [8, 32, 64, 4096]) {
      const file = openGguf(put(smallFile({ alignment })));
      expect(file.alignment).toBe(alignment);
      for (const written of SMALL.tensors) {
        const tensor = getTensor(file, written.name);
        const bytes = new Uint8Array(tensor.sizeBytes);
        file.read(tensor.offset, bytes);
        expect(bytes).toEqual(written.bytes);
        expect(tensor).toMatchObject({ type: written.type, shape: written.shape });
        expect((tensor.offset - file.dataOffset) % alignment).toBe(0);
      }
      file.close();
    }
  });

  it("reads a file without metadata and tensors", () => {
    const file = openGguf(put(smallFile({ metadata: [], tensors: [] })));
    expect(file.metadata.size + file.tensors.size).toBe(0);
    file.close();
  });

  it("reads the shipped model's header as a plain walk of its bytes does", async () => {
    const { readFile } = await import("node:fs/promises");
    const { headerEnd } = fieldMap(await readFile(SHIPPED_MODEL));
    const file = openGguf(SHIPPED_MODEL);
    expect(file.dataOffset).toBe(Math.ceil(headerEnd / 32) * 32);
    expect(file.tensors.size).toBe(139);
    const last = [...file.tensors.values()].at(-1);
    expect((last?.offset ?? 0) + (last?.sizeBytes ?? 0)).toBe(file.sizeBytes);
    file.close();
  });

  it("refuses to read after it was closed, and may be closed twice", () => {
    const file = openGguf(put(smallFile()));
    file.close();
    file.close();
    expect(() => file.read(0, new Uint8Array(1))).toThrow(GgufError);
  });
});
