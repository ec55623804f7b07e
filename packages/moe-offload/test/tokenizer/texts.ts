import type { createPrng } from "@fmlab/sim";

/** Texts of all kinds that tokenizers treat apart. */
export const TEXTS = [
  "",
  " ",
  "Once upon a time there was a little girl who lived near the forest.",
  "I'm sure they'll say it's what we've done; you're right, she'd know. 'sure 'tis 'Re",
  "I'M SURE THEY'LL SAY IT'S WHAT WE'VE DONE; 'sT 'Ve'lL don'T'",
  "  leading and trailing   runs   ",
  "\n\n\n",
  "\t\t x \r\n y \u000b \f z",
  "end. \n\n  next\r\n\r\n\tline!\n/path//to\n\n",
  "a\u0085b\u00a0c\u2028d\u3000e\ufefff\u200bg\u180eh",
  "12345 6 789.50 3,000,000 ½ ² Ⅷ ٣ 一二三 1234567",
  "naïve café Ångström — “quotes” … ‘single’",
  "日本語のテキスト 한국어 עברית العربية हिन्दी ไทย、中文。　全角！",
  "🦙👩‍👩‍👧‍👦🏳️‍🌈 🇩🇪 e\u0301 \u0000\u0001\u007f\u009f",
  "HTTPServer camelCaseWord ΑΒΓδε ЖЖжж ǅ ʰʱ fooBAR_baz(qux) => {x: 1};",
  "<|endoftext|>",
  "a<|endoftext|> b<|endoftext|><|endoftext|>",
  "<s> text</s><unk> <0x0A> [INST] hi [/INST]",
  "<|endoftext|",
  "|endoftext|>",
  "\ud800 lone \udfff",
  "odd \ufffd\ufffd end\ufffd",
  "\u2581a \u2581\u2581 b\u2581",
  "'",
  "' s",
  "''s",
  "don''t",
  " 's",
  "'S 'LL",
  "a'sb'tc",
  "\u00a0the",
  "\u2003the",
  '$+<=>^~|`@#%&*()[]{}-_\\/?!.,:;"',
];
/** Long runs, for time without quadratic growth. */
export const LONG_TEXTS = [
  "x".repeat(5000),
  " ".repeat(3000),
  "ab ".repeat(2000),
  "the".repeat(1500),
  "\n ".repeat(700),
];

/** Words, spaces, controls, code points of all planes and decoded random bytes, mixed. */
export function randomText(random: ReturnType<typeof createPrng>): string {
  const words = ["the", "and", " forest", "'ll", "don't", "42", "...", "\n", "  ", "\t", " ", "é"];
  const more = ["<|endoftext|>", "</s>", "Bar", "'T", "\r\n", "。", "中文", "12345", "▁", "[X]"];
  const pieces = Array.from({ length: 1 + random.nextInt(40) }, () => {
    switch (random.nextInt(7)) {
      case 0:
        return String.fromCodePoint(random.nextInt(0xd800));
      case 1:
        return String.fromCodePoint(0x1f300 + random.nextInt(0x400));
      case 2:
        return new TextDecoder().decode(Uint8Array.from({ length: 12 }, () => random.nextInt(256)));
      case 3:
        return String.fromCharCode(random.nextInt(128)).repeat(1 + random.nextInt(5));
      case 4:
        return random.pick(more);
      default:
        return random.pick(words);
    }
  });
  return pieces.join("");
}

/**
 * Every code point that is or may soon be assigned; of the empty planes 4 to 13 one in a hundred.
 */
export function codePoints(): number[] {
  const points: number[] = [];
  for (let point = 1; point < 0x110000; point++) {
    const isSurrogate = point >= 0xd800 && point < 0xe000;
    const isEmptyPlane = point >= 0x40000 && point < 0xe0000;
    const isPrivate = point >= 0xe1000;
    if (!isSurrogate && (point % 100 === 0 || !(isEmptyPlane || isPrivate))) points.push(point);
  }
  return points;
}

/** Pieces of 512, so that a text of each is short enough for the oracle's regular expressions. */
export function chunks(points: readonly number[]): number[][] {
  const size = 512;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) =>
    points.slice(i * size, (i + 1) * size),
  );
}
