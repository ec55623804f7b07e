import { StringDecoder } from "node:string_decoder";
import { LIMITS } from "@fmlab/experiment";

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are control characters.
const ESCAPE = /^\x1b(?:\[([0-9;?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are control characters.
const ESCAPE_BEGUN = /^\x1b(?:\[[0-9;?]*[ -/]*|\][^\x07\x1b]*\x1b?)?$/;
const LONGEST_ESCAPE = 4_096;

/**
 * Turns a stream of text into log lines as a terminal would show them: text after a carriage return
 * overwrites the open line, backspace steps back, erase-line is honoured and every other escape
 * sequence is left out. A line is given out when its newline comes, never before, so that a
 * progress bar of a thousand redraws ends as one line. Lines longer than the limit are cut into
 * several; nothing is lost.
 */
export class LogAssembler {
  readonly #emit: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #line = "";
  #cursor = 0;
  #pending = "";
  #touched = false;

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  /** Adds text or UTF-8 bytes; a character or escape sequence cut in two is joined again. */
  write(chunk: string | Uint8Array): void {
    const text = typeof chunk === "string" ? chunk : this.#decoder.write(Buffer.from(chunk));
    let rest = this.#pending + text;
    this.#pending = "";
    while (rest !== "") {
      const at = nextControl(rest);
      if (at !== 0) this.#put(at < 0 ? rest : rest.slice(0, at));
      if (at < 0) return;
      const used = this.#control(rest.slice(at));
      if (used === 0) {
        this.#pending = rest.slice(at);
        return;
      }
      rest = rest.slice(at + used);
    }
  }

  /** Gives out the open line, if there is one. */
  end(): void {
    this.#pending = "";
    if (this.#touched) this.#close();
  }

  /** True while a line has begun that no newline has ended yet. */
  get isOpen(): boolean {
    return this.#touched;
  }

  #put(text: string): void {
    this.#touched = true;
    if (this.#cursor === this.#line.length) this.#line += text;
    else
      this.#line =
        this.#line.slice(0, this.#cursor) + text + this.#line.slice(this.#cursor + text.length);
    this.#cursor += text.length;
    while (this.#line.length > LIMITS.logLineCharacters) {
      this.#emit(this.#line.slice(0, LIMITS.logLineCharacters));
      this.#line = this.#line.slice(LIMITS.logLineCharacters);
      this.#cursor = Math.max(0, this.#cursor - LIMITS.logLineCharacters);
    }
  }

  #close(): void {
    this.#emit(this.#line.trimEnd());
    this.#line = "";
    this.#cursor = 0;
    this.#touched = false;
  }

  /**
   * Acts on the control character at the start of `text`; 0 when its sequence is not complete yet.
   */
  #control(text: string): number {
    switch (text[0]) {
      case "\n":
        this.#close();
        return 1;
      case "\r":
        this.#cursor = 0;
        return 1;
      case "\b":
        this.#cursor = Math.max(0, this.#cursor - 1);
        return 1;
      case "\x1b":
        return this.#escape(text);
      default:
        return 1;
    }
  }

  #escape(text: string): number {
    const whole = ESCAPE.exec(text);
    if (whole === null) return ESCAPE_BEGUN.test(text) && text.length < LONGEST_ESCAPE ? 0 : 1;
    const [sequence, parameter = "", final] = whole;
    if (final === "K") this.#erase(parameter);
    if (final === "G")
      this.#cursor = Math.min(this.#line.length, Math.max(0, Number(parameter || 1) - 1));
    return sequence.length;
  }

  #erase(parameter: string): void {
    if (parameter === "2") this.#line = " ".repeat(this.#cursor);
    else if (parameter === "1") {
      this.#line = " ".repeat(this.#cursor) + this.#line.slice(this.#cursor);
    } else this.#line = this.#line.slice(0, this.#cursor);
  }
}

/** Index of the first control character other than tab, or -1. */
function nextControl(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for.
  return text.search(/[\x00-\x08\x0a-\x1f\x7f]/);
}
