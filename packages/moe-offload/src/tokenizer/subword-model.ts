/** What turns the texts between special tokens into tokens, and normal tokens into bytes. */
export interface SubwordModel {
  /**
   * Tokens of a text that is well-formed UTF-16 and not empty. It is the first or follows a
   * special token, so that nothing before it takes part.
   */
  encode(text: string): readonly number[];
  /** The bytes a normal token stands for, from its text in the vocabulary. */
  bytesOf(tokenText: string): Uint8Array;
}
