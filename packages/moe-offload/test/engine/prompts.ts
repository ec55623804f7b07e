/** Openings written for these tests. */
export const PROMPTS = [
  "The lighthouse keeper had not spoken to anyone for eleven days when the boat came in.",
  "In the market square the old clock struck four, and every pigeon rose at once from the roof.",
  "My aunt kept a ledger of small debts: an egg here, a candle there, a promise from the miller.",
  "We crossed the river where it was widest, because nobody would think to wait for us there.",
  "It was said of the doctor that he never hurried, not even on the night of the great fire.",
  "The train stopped between two stations, and for an hour we heard nothing but rain.",
  "Three brothers owned the mill, and each of them believed that he alone kept it turning.",
  "She folded the letter twice, put it under the lamp, and went out without her coat.",
  "Behind the stable lay a garden that belonged to no one and was tended by everyone.",
  "When the snow melted they found the road again, and along it the first of the carts.",
] as const;
