/** The state: four 32-bit words, not all zero. */
export type Xoshiro128State = [number, number, number, number];

/**
 * Advances xoshiro128** 1.1 by one step and returns its output, an integer in [0, 2^32).
 *
 * Period 2^128 - 1; passes BigCrush; not cryptographic. 32-bit arithmetic only, so it runs at full
 * speed on JavaScript numbers and gives the same numbers on every machine.
 *
 * @param s changed in place
 * @see Blackman and Vigna 2021, Scrambled Linear Pseudorandom Number Generators;
 * xoshiro128starstar.c
 */
export function nextXoshiro128(s: Xoshiro128State): number {
  const scrambled = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
  const shifted = s[1] << 9;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotateLeft(s[3], 11);
  return scrambled;
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
