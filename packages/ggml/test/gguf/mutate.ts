import type { Field } from "./field-map.ts";

/** Numbers in [0, 1) from a seed (mulberry32); enough for choosing mutations. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A damaged header: its bytes, the length the file gets, and how it was damaged. */
export interface Mutant {
  header: Uint8Array;
  fileBytes: number;
  how: string;
}

const ABSURD = [
  0n,
  1n,
  2n,
  255n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 48n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Damages a header in one of several ways, chosen by `random`. */
export function mutate(
  original: { header: Uint8Array; fields: Field[]; fileBytes: number },
  random: () => number,
): Mutant {
  // A copy: `slice` of a Buffer would share its memory and let damage pile up.
  const header = new Uint8Array(original.header);
  const view = new DataView(header.buffer);
  const int = (bound: number) => Math.floor(random() * bound);
  const mutant: Mutant = { header, fileBytes: original.fileBytes, how: "" };
  const roll = random();
  if (roll < 0.2) {
    const flips = 1 + int(8);
    for (let i = 0; i < flips; i++) {
      const at = int(header.length);
      header[at] = (header[at] ?? 0) ^ (1 << int(8));
    }
    mutant.how = `${flips} bits flipped`;
  } else if (roll < 0.35) {
    mutant.fileBytes = int(2) === 0 ? int(header.length) : int(original.fileBytes);
    mutant.how = `cut to ${mutant.fileBytes} bytes`;
  } else if (roll < 0.75) {
    // Structural fields: half of the time one of the first ones, which matter most.
    const early = int(2) === 0;
    const field = original.fields[int(early ? 40 : original.fields.length)] ?? original.fields[0];
    if (field !== undefined) editField(view, field, random);
    mutant.how = `${field?.kind} at ${field?.position} edited`;
  } else if (roll < 0.9) {
    const length = 1 + int(64);
    const from = int(header.length - length);
    const to = int(header.length - length);
    header.set(header.slice(from, from + length), to);
    mutant.how = `${length} bytes copied from ${from} to ${to}`;
  } else {
    const at = int(header.length);
    const length = Math.min(header.length - at, 1 + int(32));
    if (int(2) === 0) header.copyWithin(at, at + length);
    else header.copyWithin(at + length, at);
    mutant.how = `${length} bytes removed or inserted at ${at}`;
  }
  return mutant;
}

function editField(view: DataView, field: Field, random: () => number): void {
  const old =
    field.bytes === 4
      ? BigInt(view.getUint32(field.position, true))
      : view.getBigUint64(field.position, true);
  const near = old + BigInt(Math.floor(random() * 9) - 4);
  const absurd = ABSURD[Math.floor(random() * ABSURD.length)] ?? 0n;
  const small = BigInt(Math.floor(random() * 45));
  const choice = random();
  const value = choice < 0.4 ? absurd : choice < 0.7 ? near : small;
  if (field.bytes === 4) view.setUint32(field.position, Number(BigInt.asUintN(32, value)), true);
  else view.setBigUint64(field.position, BigInt.asUintN(64, value), true);
}
