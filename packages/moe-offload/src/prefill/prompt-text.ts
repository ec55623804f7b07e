import { createPrng } from "@fmlab/sim";
import { MoeError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Written for this repository. */
const SENTENCES = [
  "The lamp in the lighthouse had burned every night for forty years.",
  "When the two sisters opened the old trunk in the attic, they found nothing in it but a map.",
  "The captain looked at the sky and ordered the men to bring in the sails.",
  "In the village at the foot of the mountain there lived a clockmaker who never slept.",
  "He had promised his mother to come back before the first snow fell.",
  "Nobody knew where the river began, and nobody had ever asked.",
  "A small dog followed her all the way to the market and would not be sent home.",
  "The king counted his ships again, but there was still one too few.",
  "After supper the children sat by the fire and begged for one more story.",
  "It rained for three days, and on the fourth the bridge was gone.",
  "The old gardener knew every tree by name and spoke to them in the evening.",
  "She wrote the letter twice, and both times she threw it into the fire.",
  "Far out on the ice a light moved slowly from west to east.",
  "The baker's boy had lost the key to the cellar, and the bread was already in the oven.",
  "Behind the mill there was a door that had been painted over many times.",
  "They walked until the moon rose, and then they lay down in the hay and slept.",
];

/**
 * Prompts of exactly `tokens` tokens each: cut from a text one after the other, from its beginning
 * again when it ends; or without a text, sentences in an order that the seed decides.
 *
 * @throws MoeError `BAD_SETTING` when the text has fewer tokens than one prompt
 */
export function makePrompts(
  tokenizer: Tokenizer,
  count: number,
  tokens: number,
  source: { readonly text: string | undefined; readonly seed: number },
): number[][] {
  if (source.text === undefined) {
    const random = createPrng(source.seed, "prompts");
    return Array.from({ length: count }, () => {
      let text = "";
      for (;;) {
        text += `${random.shuffle(SENTENCES).join(" ")} `;
        const encoded = tokenizer.encode(text);
        if (encoded.length >= tokens) return encoded.slice(0, tokens);
      }
    });
  }
  const all = tokenizer.encode(source.text);
  if (all.length < tokens) {
    throw new MoeError(
      `the text has ${all.length} tokens, fewer than the ${tokens} of one prompt. ` +
        "Choose a longer text or lower promptTokens.",
      {
        code: "BAD_SETTING",
        setting: "promptTokens",
        value: tokens,
        expected: `at most ${all.length} with this text`,
      },
    );
  }
  const windows = Math.floor(all.length / tokens);
  return Array.from({ length: count }, (_, index) => {
    const first = (index % windows) * tokens;
    return all.slice(first, first + tokens);
  });
}
