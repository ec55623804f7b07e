import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogAssembler } from "../src/context/log-assembler.ts";
import { LogIntake } from "../src/context/log-intake.ts";

function assemble(chunks: (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const assembler = new LogAssembler((line) => lines.push(line));
  for (const chunk of chunks) assembler.write(chunk);
  assembler.end();
  return lines;
}

/**
 * A terminal, written cell by cell: the oracle. Knows newline, return, backspace and erase-to-end.
 */
function terminal(text: string): string[] {
  const lines: string[] = [];
  let cells: string[] = [];
  let at = 0;
  let touched = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (text.startsWith("\x1b[K", i)) {
      cells = cells.slice(0, at);
      i += 2;
    } else if (text.startsWith("\x1b[31m", i)) i += 4;
    else if (c === "\n") {
      lines.push(cells.join("").trimEnd());
      cells = [];
      at = 0;
      touched = false;
    } else if (c === "\r") at = 0;
    else if (c === "\b") at = Math.max(0, at - 1);
    else {
      cells[at] = c;
      at += 1;
      touched = true;
    }
  }
  if (touched) lines.push(cells.join("").trimEnd());
  return lines;
}

describe("the log assembler", () => {
  it("shows what a terminal would show, however the text is cut into chunks", () => {
    const pieces = fc.constantFrom("a", "bc", "10 %", "\r", "\n", "\b", "\x1b[K", "\x1b[31m", " ");
    fc.assert(
      fc.property(fc.array(fc.array(pieces, { maxLength: 6 }), { maxLength: 12 }), (chunks) => {
        const text = chunks.flat().join("");
        const expected = terminal(text);
        expect(assemble(chunks.map((chunk) => chunk.join("")))).toEqual(expected);
        expect(assemble([...text])).toEqual(expected);
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it("turns a progress bar of a thousand redraws into one line", () => {
    const bar = Array.from({ length: 1_000 }, (_, i) => `\r${i / 10} %`).join("");
    expect(assemble([`${bar}\r100 %  \n`])).toEqual(["100 %"]);
  });

  it("joins a character whose bytes were cut in two", () => {
    const bytes = Buffer.from("grün €\n");
    expect(assemble([...bytes].map((byte) => Buffer.from([byte])))).toEqual(["grün €"]);
  });

  it("leaves out colours, titles and links, also when they are cut in two", () => {
    const text = "\x1b]0;title\x07\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n";
    expect(assemble([text])).toEqual(["red link"]);
    expect(assemble([...text])).toEqual(["red link"]);
  });

  it("cuts a line longer than the limit into several and loses nothing", () => {
    const text = "x".repeat(40_000);
    const lines = assemble([`${text}\n`]);
    expect(lines.map((line) => line.length)).toEqual([16_384, 16_384, 7_232]);
    expect(lines.join("")).toBe(text);
  });
});

describe("the log intake", () => {
  function intake(feed: (log: LogIntake) => void): string[] {
    const lines: string[] = [];
    const log = new LogIntake(
      () => 5,
      ({ level, text }) => lines.push(`${level} ${text}`),
    );
    feed(log);
    log.end();
    return lines;
  }

  it("makes a line of each message and several of one with newlines", () => {
    const lines = intake((log) => {
      log.message(1, "info", "one");
      log.message(2, "warn", "two\nthree");
    });
    expect(lines).toEqual(["info one", "warn two", "warn three"]);
  });

  it("lets a message overwrite the one before when a return stands between them", () => {
    const before = intake((log) => {
      for (let i = 0; i < 50; i++) log.message(i, "info", `\r${i} of 50`);
      log.message(50, "info", "done");
    });
    expect(before).toEqual(["info 49 of 50", "info done"]);
    const after = intake((log) => {
      for (let i = 0; i < 50; i++) log.message(i, "info", `${i} of 50\r`);
    });
    expect(after).toEqual(["info 49 of 50"]);
  });
});
