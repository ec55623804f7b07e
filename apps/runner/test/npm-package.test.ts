import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fetchPackage } from "../bundle/npm-package.ts";
import { temporaryFolder } from "./fixtures/command.ts";

const CONTENT = "an archive";
const FILE = "fmlab-test-thing-1.0.0.tgz";
const pinned = {
  name: "@fmlab-test/thing",
  version: "1.0.0",
  integrity: `sha512-${createHash("sha512").update(CONTENT).digest("base64")}`,
};
const publishing = (content: string) => async (_spec: string, folder: string) =>
  writeFileSync(join(folder, FILE), content);
const offline = async () => {
  throw Object.assign(new Error("npm failed"), { stderr: "npm error network ENOTFOUND\n" });
};

describe("fetchPackage", () => {
  it("fetches once, then takes the archive from the cache", async () => {
    const cache = join(temporaryFolder(), "packages");
    const path = await fetchPackage(pinned, cache, publishing(CONTENT));
    expect(readFileSync(path, "utf8")).toBe(CONTENT);
    expect(await fetchPackage(pinned, cache, offline)).toBe(path);
    expect(readdirSync(cache)).toEqual([FILE]);
  });

  it("uses nothing of an archive with another hash than the registry's", async () => {
    const cache = temporaryFolder();
    await expect(fetchPackage(pinned, cache, publishing("tampered"))).rejects.toThrow(
      /not what the registry published/,
    );
    expect(readdirSync(cache)).toEqual([]);
  });

  it("fetches again what was damaged in the cache", async () => {
    const cache = temporaryFolder();
    writeFileSync(join(cache, FILE), "half an arch");
    const path = await fetchPackage(pinned, cache, publishing(CONTENT));
    expect(readFileSync(path, "utf8")).toBe(CONTENT);
  });

  it("says without a network what is needed and where it may be put", async () => {
    const cache = temporaryFolder();
    await expect(fetchPackage(pinned, cache, offline)).rejects.toThrow(
      new RegExp(`ENOTFOUND.*npm registry once.*put ${FILE} into ${cache}`),
    );
  });
});
