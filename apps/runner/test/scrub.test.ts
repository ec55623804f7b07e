import { mkdirSync, symlinkSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Scrubber } from "../src/context/scrub.ts";
import { temporaryFolder } from "./fixtures/command.ts";

const scrubber = new Scrubber(
  { "/opt/lab/checkout": "", "/opt/lab/weights": "models", "/var": "<var>" },
  "brain07.lab.example",
  "alice",
);

describe("the scrubber", () => {
  it("makes paths inside the checkout relative, also in stack frames and file addresses", () => {
    expect(scrubber.text("at run (/opt/lab/checkout/packages/a/b.ts:3:9)")).toBe(
      "at run (packages/a/b.ts:3:9)",
    );
    expect(scrubber.text("at file:///opt/lab/checkout/x.ts:1")).toBe("at x.ts:1");
    expect(scrubber.text("cwd /opt/lab/checkout")).toBe("cwd .");
  });

  it("does not mistake a folder for another whose name begins or ends alike", () => {
    const text = "/opt/lab/checkout2/x and build/var/x";
    expect(scrubber.text(text)).toBe(text);
  });

  it("names known folders", () => {
    expect(scrubber.text("open /opt/lab/weights/a/b.gguf")).toBe("open models/a/b.gguf");
    expect(scrubber.text("--to=/var/x -L/opt/lab/weights")).toBe("--to=<var>/x -Lmodels");
    expect(scrubber.text(`${homedir()}/x ${tmpdir()}/y`)).toBe("~/x <tmp>/y");
  });

  it("knows a folder by the place its links lead to, too", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "real"));
    symlinkSync(join(folder, "real"), join(folder, "link"));
    const linked = new Scrubber({ [join(folder, "link")]: "models" });
    expect(linked.text(`read ${join(folder, "real/a")}`)).toBe("read models/a");
  });

  it("leaves every other text alone, also when it is or looks like a path", () => {
    const text = "He opened /etc/passwd: 12 tokens/s, 1/2, https://example.org/usr/bin, /api/x";
    expect(scrubber.text(text)).toBe(text);
  });

  it("takes out the host's name with the user before it", () => {
    expect(scrubber.text("bob@brain07 and brain07.lab.example, not brain077")).toBe(
      "<host> and <host>, not brain077",
    );
  });

  it("takes out the user's name, unless it is a word that names nobody", () => {
    expect(scrubber.text("/mnt/alice/x by alice, not alices")).toBe(
      "/mnt/<user>/x by <user>, not alices",
    );
    expect(new Scrubber({}, "h", "root").text("the root of it")).toBe("the root of it");
  });

  it("reaches every string in a value and leaves the value itself alone", () => {
    const value = { a: ["/var/x"], b: { "/var/k": 1 }, n: 3, z: null };
    expect(scrubber.value(value)).toEqual({ a: ["<var>/x"], b: { "<var>/k": 1 }, n: 3, z: null });
    expect(value.a[0]).toBe("/var/x");
  });
});
