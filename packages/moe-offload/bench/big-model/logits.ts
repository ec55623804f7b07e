import { QWEN15_MOE } from "./design.ts";

/** How far two engines' logits are apart. */
export interface LogitDifference {
  readonly rows: number;
  /** Share of logits that are equal to the bit. */
  readonly equalShare: number;
  readonly differenceMax: number;
  readonly sizeMax: number;
}

/** Compares logits given as base64 of 32-bit floats, list by list. */
export function compareLogits(ours: readonly string[], theirs: readonly string[]): LogitDifference {
  let [count, equal, differenceMax, sizeMax] = [0, 0, 0, 0];
  ours.forEach((text, i) => {
    const own = floatsOf(text);
    const other = floatsOf(theirs[i] ?? "");
    own.forEach((value, at) => {
      const difference = Math.abs(value - (other[at] ?? Number.NaN));
      count++;
      if (Object.is(value, other[at])) equal++;
      // A difference from or to a number that is none counts as infinite.
      differenceMax = Math.max(differenceMax, Number.isNaN(difference) ? Infinity : difference);
      sizeMax = Math.max(sizeMax, Math.abs(value));
    });
  });
  return { rows: count / QWEN15_MOE.vocabulary, equalShare: equal / count, differenceMax, sizeMax };
}

function floatsOf(text: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(Uint8Array.from(bytes).buffer);
}
