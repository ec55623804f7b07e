/**
 * GPT-2's alphabet: each byte is one printable character, so that vocabularies are readable texts.
 * Printable Latin-1 bytes stand for themselves, the others for U+0100 and up in order.
 *
 * @see Radford et al. 2019, GPT-2's `encoder.py` `bytes_to_unicode`
 */
export const CHARACTER_OF_BYTE: readonly string[] = characters();

/** The byte each character of the alphabet stands for. */
export const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = new Map(
  CHARACTER_OF_BYTE.map((character, byte) => [character, byte]),
);

function characters(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : next++),
  );
}
