import koffi from "koffi";
import { afterAll, describe, expect, it } from "vitest";
import { GGML_TYPE_LAYOUTS, openGguf } from "../../src/gguf/index.ts";
import { findLibraries } from "../../src/library-path.ts";
import { SHIPPED_MODEL, smallFile, temporaryFiles } from "./samples.ts";

const library = koffi.load(findLibraries().base);
/** A function of the library whose result is of type `Result`. */
function call<Result>(signature: string): (...args: unknown[]) => Result {
  return library.func(signature);
}
const blockSize = call<number | bigint>("int64_t ggml_blck_size(int)");
const blockBytes = call<number | bigint>("size_t ggml_type_size(int)");
const typeName = call<string>("str ggml_type_name(int)");

describe("the table of tensor types", () => {
  it("has the library's block sizes, and only types the library has", () => {
    for (const [type, layout] of GGML_TYPE_LAYOUTS) {
      expect({
        name: typeName(type).toLowerCase(),
        blockSize: Number(blockSize(type)),
        blockBytes: Number(blockBytes(type)),
      }).toEqual({ ...layout, name: layout.name.toLowerCase() });
    }
  });

  it("lacks no type the library can store", () => {
    for (let type = 0; type < 40; type++) {
      if (Number(blockSize(type)) > 0) expect([...GGML_TYPE_LAYOUTS.keys()]).toContain(type);
    }
  });
});

describe("a GGUF file read by ggml's own reader", () => {
  koffi.struct("gguf_init_params_of_test", { no_alloc: "bool", ctx: "void*" });
  const init = call<unknown>("void* gguf_init_from_file(str, gguf_init_params_of_test)");
  const free = call<void>("void gguf_free(void*)");
  const number = (signature: string) => {
    const f = call<number | bigint>(signature);
    return (...args: unknown[]) => Number(f(...args));
  };
  const tensorCount = number("int64_t gguf_get_n_tensors(void*)");
  const keyCount = number("int64_t gguf_get_n_kv(void*)");
  const dataOffset = number("size_t gguf_get_data_offset(void*)");
  const tensorOffset = number("size_t gguf_get_tensor_offset(void*, int64_t)");
  const tensorSize = number("size_t gguf_get_tensor_size(void*, int64_t)");
  const tensorType = number("int gguf_get_tensor_type(void*, int64_t)");
  const tensorName = call<string>("str gguf_get_tensor_name(void*, int64_t)");
  const keyName = call<string>("str gguf_get_key(void*, int64_t)");
  const arrayText = call<string>("str gguf_get_arr_str(void*, int64_t, size_t)");
  const put = temporaryFiles();
  const files = [SHIPPED_MODEL, put(smallFile()), put(smallFile({ alignment: 64 }))];
  const opened: { close(): void }[] = [];
  afterAll(() => {
    for (const file of opened) file.close();
  });

  it.each(files)("has the same keys, texts and tensor places: %s", (path) => {
    const theirs = init(path, { no_alloc: true, ctx: null });
    expect(theirs).not.toBeNull();
    const ours = openGguf(path);
    opened.push(ours);
    expect(ours.dataOffset).toBe(dataOffset(theirs));
    expect(Array.from({ length: keyCount(theirs) }, (_, i) => keyName(theirs, i))).toEqual([
      ...ours.metadata.keys(),
    ]);
    [...ours.metadata.values()].forEach((value, key) => {
      if (value.type !== "array" || value.elementType !== "string") return;
      value.value.forEach((element, i) => {
        if (element !== arrayText(theirs, key, i)) expect(element).toBe(arrayText(theirs, key, i));
      });
    });
    const tensors = Array.from({ length: tensorCount(theirs) }, (_, i) => ({
      name: tensorName(theirs, i),
      type: tensorType(theirs, i),
      offset: dataOffset(theirs) + tensorOffset(theirs, i),
      sizeBytes: tensorSize(theirs, i),
    }));
    expect(
      [...ours.tensors.values()].map(({ name, type, offset, sizeBytes }) => ({
        name,
        type,
        offset,
        sizeBytes,
      })),
    ).toEqual(tensors);
    free(theirs);
  });
});
