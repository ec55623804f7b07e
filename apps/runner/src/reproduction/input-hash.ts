import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";

const CACHE_ENTRIES_MAX = 2_000;
const cacheSchema = z.record(
  z.string(),
  z.object({ mtimeMs: z.number(), sizeBytes: z.number(), sha256: z.string().length(64) }),
);
type Cache = z.infer<typeof cacheSchema>;

/**
 * SHA-256 of input files. A hash is remembered on disk by path, size and modification time, so that
 * a model of many gigabytes is read once and not before every run.
 */
export class InputHasher {
  readonly #cacheFile: string;

  constructor(cacheFile: string) {
    this.#cacheFile = cacheFile;
  }

  /** Size and hash of a file. A cache that cannot be read or written only costs time. */
  async hash(path: string): Promise<{ sizeBytes: number; sha256: string }> {
    const { mtimeMs, size: sizeBytes } = await stat(path);
    const known = (await this.#read())[path];
    if (known !== undefined && known.mtimeMs === mtimeMs && known.sizeBytes === sizeBytes) {
      return { sizeBytes, sha256: known.sha256 };
    }
    const hash = createHash("sha256");
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
    const sha256 = hash.digest("hex");
    await this.#remember(path, { mtimeMs, sizeBytes, sha256 });
    return { sizeBytes, sha256 };
  }

  async #read(): Promise<Cache> {
    try {
      return cacheSchema.parse(JSON.parse(await readFile(this.#cacheFile, "utf8")));
    } catch {
      return {};
    }
  }

  async #remember(path: string, entry: Cache[string]): Promise<void> {
    const all = Object.entries({ ...(await this.#read()), [path]: entry });
    const kept = Object.fromEntries(all.slice(-CACHE_ENTRIES_MAX));
    const draft = `${this.#cacheFile}.${randomUUID()}`;
    try {
      await mkdir(dirname(this.#cacheFile), { recursive: true });
      await writeFile(draft, JSON.stringify(kept));
      await rename(draft, this.#cacheFile);
    } catch {
      // A read-only home folder: the next run hashes again.
    }
  }
}
