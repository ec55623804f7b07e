/** Where a field of a GGUF header lies; mutations aim at these. */
export interface Field {
  kind:
    | "value"
    | "magic"
    | "version"
    | "count"
    | "length"
    | "valueType"
    | "tensorType"
    | "size"
    | "offset";
  position: number;
  bytes: 4 | 8;
}

const SCALAR_BYTES: Record<number, number> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/**
 * Walks the header of a well-formed GGUF file the plain way, without any check, and lists its
 * structural fields and the end of the header. Written apart from the reader, as its oracle.
 */
export function fieldMap(file: Uint8Array): { fields: Field[]; headerEnd: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const fields: Field[] = [];
  let at = 0;
  const u32 = (kind: Field["kind"]) => {
    fields.push({ kind, position: at, bytes: 4 });
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const u64 = (kind: Field["kind"]) => {
    fields.push({ kind, position: at, bytes: 8 });
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  const skipText = () => {
    const length = u64("length");
    at += length;
  };
  const skipValue = (type: number) => {
    if (type === 8) return skipText();
    if (type !== 9) {
      const bytes = SCALAR_BYTES[type] ?? 0;
      if (bytes === 4 || bytes === 8) fields.push({ kind: "value", position: at, bytes });
      at += bytes;
      return;
    }
    const element = u32("valueType");
    const count = u64("count");
    if (element === 8 || element === 9) for (let i = 0; i < count; i++) skipValue(element);
    else at += count * (SCALAR_BYTES[element] ?? 0);
  };
  u32("magic");
  u32("version");
  const tensors = u64("count");
  const entries = u64("count");
  for (let i = 0; i < entries; i++) {
    skipText();
    skipValue(u32("valueType"));
  }
  for (let i = 0; i < tensors; i++) {
    skipText();
    const dimensions = u32("count");
    for (let d = 0; d < dimensions; d++) u64("size");
    u32("tensorType");
    u64("offset");
  }
  return { fields, headerEnd: at };
}
