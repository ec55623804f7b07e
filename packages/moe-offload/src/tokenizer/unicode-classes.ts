/**
 * Letters, numbers, punctuation and white space as llama.cpp has them: Unicode 15.1. A regular
 * expression's `\p{L}` follows the Unicode version of the JavaScript engine, so what differs is
 * named here; a test compares every code point with llama.cpp.
 *
 * @see llama.cpp src/unicode-data.cpp (build b7347)
 */

/** Letters that Unicode 16.0 and 17.0 added; llama.cpp's tables do not have them. */
const NEWER_LETTERS =
  "88f c5c cdc 1c89-1c8a a7cb-a7cf a7d2 a7d4 a7da-a7dc a7f1 105c0-105f3 10940-10959 " +
  "10d4a-10d65 10d6f-10d85 10ec2-10ec7 11380-11389 1138b 1138e 11390-113b5 113b7 113d1 113d3 " +
  "11bc0-11be0 11db0-11ddb 13460-143fa 16100-1611d 16d40-16d6c 16ea0-16eb8 16ebb-16ed3 " +
  "16ff2-16ff3 187f8-187ff 18cff 18d09-18d1e 18d80-18df2 1e5d0-1e5ed 1e5f0 1e6c0-1e6de " +
  "1e6e0-1e6e2 1e6e4-1e6e5 1e6e7-1e6ed 1e6f0-1e6f4 1e6fe-1e6ff 2b73a-2b73f 2cea2-2cead " +
  "323b0-33479";
/** Numbers that Unicode 16.0 and 17.0 added. */
const NEWER_NUMBERS =
  "10d40-10d49 116d0-116e3 11bf0-11bf9 11de0-11de9 16130-16139 16d70-16d79 16ff4-16ff6 " +
  "1ccf0-1ccf9 1e5f1-1e5fa";
/** Punctuation that Unicode 16.0 and 17.0 added. */
const NEWER_PUNCTUATION =
  "1b4e-1b4f 1b7f 10d6e 10ed0 113d4-113d5 113d7-113d8 11be1 16d6d-16d6f 1e5ff";
/** Letters of Unicode 15.1 that an engine with 15.0 lacks. */
const LETTERS_OF_15_1 = "2ebf0-2ee5d";
/**
 * White space: Unicode's White_Space property. JavaScript's `\s` differs: it has U+FEFF and lacks
 * U+0085.
 */
const WHITE_SPACE = "9-d 20 85 a0 1680 2000-200a 2028-2029 202f 205f 3000";

/** `9-d 20` as the inside of a character class. */
export const inClass = (ranges: string): string =>
  ranges.replace(/[0-9a-f]+/g, (point) => `\\u{${point}}`).replaceAll(" ", "");

/** Character classes for regular expressions with the `v` flag. */
export const LETTER = `[[\\p{L}${inClass(LETTERS_OF_15_1)}]--[${inClass(NEWER_LETTERS)}]]`;
/** Source of a character class of the numbers of Unicode 15.1. */
export const NUMBER = `[\\p{N}--[${inClass(NEWER_NUMBERS)}]]`;
/** Source of a character class of the punctuation of Unicode 15.1. */
export const PUNCTUATION = `[\\p{P}--[${inClass(NEWER_PUNCTUATION)}]]`;
/** Source of a character class of the white space that llama.cpp's tables hold. */
export const SPACE = `[${inClass(WHITE_SPACE)}]`;
