import { homedir, tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { Scrubber } from "../src/context/scrub.ts";

const scrubber = new Scrubber(
  { "/opt/lab/checkout": "", "/opt/lab/weights": "models" },
  "brain07.lab.example",
);

describe("the scrubber", () => {
  it("makes paths inside the checkout relative, also in stack frames and file addresses", () => {
    expect(scrubber.text("at run (/opt/lab/checkout/packages/a/b.ts:3:9)")).toBe(
      "at run (packages/a/b.ts:3:9)",
    );
    expect(scrubber.text("at file:///opt/lab/checkout/x.ts:1")).toBe("at x.ts:1");
    expect(scrubber.text("cwd /opt/lab/checkout")).toBe("cwd .");
  });

  it("does not mistake a folder for another whose name begins alike", () => {
    expect(scrubber.text("/opt/lab/checkout2/secret/x")).toBe("<path>/x");
  });

  it("names known folders and keeps only the last part of other absolute paths", () => {
    expect(scrubber.text("open /opt/lab/weights/a/b.gguf")).toBe("open models/a/b.gguf");
    expect(scrubber.text("open /home/alice/data/x.bin: no")).toBe("open <path>/x.bin: no");
    expect(scrubber.text(`${homedir()}/x ${tmpdir()}/y`)).toBe("~/x <tmp>/y");
  });

  it("leaves text alone that only looks like a path", () => {
    const text = "12 tokens/s, and/or, 1/2, https://example.org/usr/bin, /api/x, a / b";
    expect(scrubber.text(text)).toBe(text);
  });

  it("takes out the host's name with the user before it", () => {
    expect(scrubber.text("alice@brain07 and brain07.lab.example, not brain077")).toBe(
      "<host> and <host>, not brain077",
    );
  });

  it("reaches every string in a value and leaves the value itself alone", () => {
    const value = { a: ["/home/alice/x"], b: { "/home/alice/k": 1 }, n: 3, z: null };
    expect(scrubber.value(value)).toEqual({ a: ["<path>/x"], b: { "<path>/k": 1 }, n: 3, z: null });
    expect(value.a[0]).toBe("/home/alice/x");
  });
});
