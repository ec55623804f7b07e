import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codeFacts } from "../src/reproduction/code-facts.ts";
import { InputHasher } from "../src/reproduction/input-hash.ts";
import { machineFacts } from "../src/reproduction/machine-facts.ts";
import { temporaryFolder } from "./fixtures/command.ts";

function repository(): { root: string; git: (...args: string[]) => string } {
  const root = temporaryFolder();
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", root, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
      encoding: "utf8",
    }).trim();
  git("init", "-q");
  writeFileSync(join(root, "a.txt"), "one\n");
  git("add", ".");
  git("commit", "-qm", "first");
  return { root, git };
}

describe("the facts of the code", () => {
  it("name the commit of a clean checkout", async () => {
    const { root, git } = repository();
    expect(await codeFacts(root)).toMatchObject({
      gitCommit: git("rev-parse", "HEAD"),
      dirty: false,
      diffSha256: null,
      lockfileSha256: null,
    });
  });

  it("name each difference from the commit by another hash", async () => {
    const { root } = repository();
    const hashes: (string | null)[] = [];
    const look = async () => {
      const { dirty, diffSha256 } = await codeFacts(root);
      expect(dirty).toBe(true);
      hashes.push(diffSha256);
    };
    writeFileSync(join(root, "a.txt"), "two\n");
    await look();
    writeFileSync(join(root, "new.txt"), "x");
    await look();
    writeFileSync(join(root, "new.txt"), "y");
    await look();
    expect(new Set(hashes).size).toBe(3);
    await look();
    expect(hashes[3]).toBe(hashes[2]);
  });

  it("do not change by runs made into experiments/", async () => {
    const { root } = repository();
    mkdirSync(join(root, "experiments/run"), { recursive: true });
    writeFileSync(join(root, "experiments/run/summary.json"), "{}");
    expect(await codeFacts(root)).toMatchObject({ dirty: false, diffSha256: null });
  });

  it("are null where there is no repository", async () => {
    const root = temporaryFolder();
    writeFileSync(join(root, "package-lock.json"), "{}");
    expect(await codeFacts(root)).toMatchObject({
      gitCommit: null,
      dirty: null,
      diffSha256: null,
      lockfileSha256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    });
  });
});

describe("the hash of an input file", () => {
  it("is remembered until the file's size or time changes", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "x");
    const cache = join(folder, "cache.json");
    const hasher = new InputHasher(cache);
    writeFileSync(file, "abc");
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(await hasher.hash(file)).toEqual({ sizeBytes: 3, sha256: abc });
    // Same size and time, other bytes: only a remembered hash can still say abc.
    const { atime, mtime } = statSync(file);
    writeFileSync(file, "abd");
    utimesSync(file, atime, mtime);
    const known = JSON.parse(readFileSync(cache, "utf8"))[file].mtimeMs;
    expect((await hasher.hash(file)).sha256 === abc).toBe(statSync(file).mtimeMs === known);
    utimesSync(file, 1, 1);
    expect((await hasher.hash(file)).sha256).not.toBe(abc);
  });

  it("is computed all the same when the cache is broken", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "cache.json"), "{ not json");
    writeFileSync(join(folder, "x"), "");
    const { sha256 } = await new InputHasher(join(folder, "cache.json")).hash(join(folder, "x"));
    expect(sha256).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  });
});

describe("the facts of the machine", () => {
  it("are whole and plausible here", async () => {
    const facts = await machineFacts();
    expect(facts.cpuCount).toBeGreaterThanOrEqual(1);
    expect(facts.memoryBytes).toBeGreaterThan(2 ** 28);
    expect(Number.isInteger(facts.cpuCount)).toBe(true);
  });
});
