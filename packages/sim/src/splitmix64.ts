const MASK_64 = (1n << 64n) - 1n;
/** 2^64 divided by the golden ratio, made odd: the step of the published generator. */
const STEP = 0x9e3779b97f4a7c15n;

/**
 * The output function of SplitMix64: a bijection of 64-bit words in which every input bit touches
 * every output bit.
 *
 * @param word 0 <= word < 2^64
 * @see Steele, Lea, Flood 2014, Fast Splittable Pseudorandom Number Generators; the constants are
 *      those of Vigna's public-domain splitmix64.c
 */
export function mix64(word: bigint): bigint {
  let z = word & MASK_64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK_64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK_64;
  return z ^ (z >> 31n);
}

/**
 * The first `count` outputs of SplitMix64 started at `seed`. Fills the state of the main generator,
 * as its authors recommend: equal seeds that differ in one bit then start far apart.
 */
export function splitmix64(seed: bigint, count: number): bigint[] {
  const words: bigint[] = [];
  let state = seed & MASK_64;
  for (let i = 0; i < count; i++) {
    state = (state + STEP) & MASK_64;
    words.push(mix64(state));
  }
  return words;
}

/**
 * The key of the stream `label` below the stream `key`. Depends on the two only, so a stream's
 * numbers do not move when another stream draws more or fewer.
 *
 * The label is hashed with 64-bit FNV-1a over its UTF-8 bytes, then mixed into the key twice. Two
 * labels collide with probability 2^-64; the hash is not cryptographic.
 */
export function streamKey(key: bigint, label: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(label)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & MASK_64;
  }
  return mix64((mix64((key + STEP) & MASK_64) ^ hash) + STEP);
}
