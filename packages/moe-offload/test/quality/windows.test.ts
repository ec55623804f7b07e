import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readTextInput } from "../../src/quality/text-input.ts";
import { cutWindows } from "../../src/quality/windows.ts";

/** Each character is a token; 0 begins a text where `addsBos`. */
const tokenizerOf = (addsBos: boolean) => ({
  addsBos,
  bosToken: 0,
  encode: (text: string) => Array.from(text, (character) => character.charCodeAt(0) - 96),
});
const cut = (text: string, addsBos: boolean, begins: "windows" | "text", tokensMax = 0) =>
  cutWindows(tokenizerOf(addsBos), text, { windowTokens: 4, tokensMax, begins }).map((window) => [
    ...window,
  ]);

describe("windows of a text", () => {
  it("follow each other and hold every token once", () => {
    expect(cut("abcdefghij", false, "windows")).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 10],
    ]);
    expect(cut("abcdefgh", false, "text", 5)).toEqual([[1, 2, 3, 4], [5]]);
  });

  it("begin each, or the first alone, with the token the model wants there", () => {
    expect(cut("abcdef", true, "windows")).toEqual([
      [0, 1, 2, 3],
      [0, 4, 5, 6],
    ]);
    expect(cut("abcdef", true, "text")).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it("are refused for a text in which nothing can be predicted", () => {
    expect(() => cut("a", true, "text")).toThrow(/1 tokens; at least 2/);
    const options = { windowTokens: 1, tokensMax: 0, begins: "windows" } as const;
    expect(() => cutWindows(tokenizerOf(true), "abc", options)).toThrow(/nothing to predict/);
  });
});

describe("the text of a config", () => {
  const folder = mkdtempSync(join(tmpdir(), "fmlab-text-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const read = (textFile: string) =>
    readTextInput(
      { resolveFile: async (path) => join(folder, path) },
      { textFile, text: "inline" },
    );

  it("is its own, or that of a file, packed or not", async () => {
    expect(await read("")).toEqual({ name: "inline text", text: "inline" });
    writeFileSync(join(folder, "plain.txt"), "Grüße");
    expect(await read("plain.txt")).toEqual({ name: "plain.txt", text: "Grüße" });
    writeFileSync(join(folder, "packed.txt.gz"), gzipSync("Grüße"));
    expect(await read("packed.txt.gz")).toEqual({ name: "packed.txt.gz", text: "Grüße" });
  });

  it.each([
    ["latin.txt", Buffer.from("Gr\u00fc\u00dfe", "latin1"), /not UTF-8/],
    ["cut.txt.gz", gzipSync("Grüße").subarray(0, 20), /unexpected end of file/],
    ["folder", undefined, /EISDIR|ENOENT/],
  ])("is refused when the file is no text: %s", async (name, bytes, message) => {
    if (bytes) writeFileSync(join(folder, name), bytes);
    await expect(read(name)).rejects.toThrow(message);
    await expect(read(name)).rejects.toMatchObject({ code: "BAD_TEXT" });
  });
});
