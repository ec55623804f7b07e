import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 16 * 2 ** 20;

/** One version of a package of the npm registry, with the hash the registry gives for it. */
export interface PinnedPackage {
  name: string;
  version: string;
  /** The registry's `dist.integrity`. */
  integrity: string;
}

/** `npm pack`: writes the package's archive into a folder. Another one is for tests. */
export type Pack = (spec: string, folder: string) => Promise<void>;

/**
 * The archive of a package: from the cache folder, else fetched by `npm pack`. Either way its hash
 * is held against the pinned one.
 *
 * @returns path of the `.tgz`
 * @throws Error when it cannot be fetched, or is another than the pinned one
 */
export async function fetchPackage(
  pinned: PinnedPackage,
  cacheFolder: string,
  pack: Pack = npmPack,
): Promise<string> {
  const { integrity, name, version } = pinned;
  const file = `${name.replace(/^@/, "").replaceAll("/", "-")}-${version}.tgz`;
  const path = join(cacheFolder, file);
  if (existsSync(path)) {
    if ((await integrityOf(path)) === integrity) return path;
    rmSync(path);
  }
  mkdirSync(cacheFolder, { recursive: true });
  const arrival = mkdtempSync(join(cacheFolder, "fetch-"));
  try {
    try {
      await pack(`${name}@${version}`, arrival);
    } catch (error) {
      throw new Error(
        `${name}@${version} could not be fetched: ${firstLine(error)}. Bundling for a GPU needs ` +
          `the npm registry once; without a network, put ${file} into ${cacheFolder}`,
        { cause: error },
      );
    }
    const got = await integrityOf(join(arrival, file));
    if (got !== integrity) {
      throw new Error(
        `${name}@${version} is not what the registry published: its hash is ${got}, ` +
          `expected ${integrity}; nothing of it was used`,
      );
    }
    renameSync(join(arrival, file), path);
    return path;
  } finally {
    rmSync(arrival, { recursive: true, force: true });
  }
}

/** Unpacks an archive into a new folder; the package lies in its `package`. */
export async function unpack(archive: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await run("tar", ["-xzf", archive, "-C", folder]);
}

async function npmPack(spec: string, folder: string): Promise<void> {
  await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder, spec], {
    cwd: folder,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
}

async function integrityOf(path: string): Promise<string> {
  const hash = createHash("sha512");
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return `sha512-${hash.digest("base64")}`;
}

function firstLine(error: unknown): string {
  const { message, stderr } = error as { message?: string; stderr?: string };
  return (stderr || message || String(error)).trim().split("\n")[0] ?? "";
}
