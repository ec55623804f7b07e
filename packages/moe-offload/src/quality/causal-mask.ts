/** Minus infinity as a half-precision number. */
const F16_MINUS_INFINITY = 0xfc00;

/**
 * Which tokens each token of a batch sees: those before it and itself (0), no others (minus
 * infinity).
 *
 * @param position  place of the batch's first token; all before it are seen
 * @param rows      rows of the mask, at least `tokenCount`; the others see nothing
 * @param visible   tokens of the cache that it covers; those after the batch are seen by none
 * @returns `[rows, visible]`, half-precision numbers
 */
export function causalMask(
  position: number,
  tokenCount: number,
  rows: number,
  visible = position + tokenCount,
): Uint16Array {
  const mask = new Uint16Array(visible * rows).fill(F16_MINUS_INFINITY);
  for (let i = 0; i < tokenCount; i++) mask.fill(0, i * visible, i * visible + position + i + 1);
  return mask;
}
