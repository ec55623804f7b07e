import { execFile } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { CodeFacts } from "@fmlab/experiment";
import { readBundleRecord } from "../bundle-record.ts";
import { fmlabVersion, repositoryRoot } from "../repository.ts";

const run = promisify(execFile);
const DIFF_BYTES_MAX = 64 * 1024 * 1024;
/** Results are no code: a run made into this folder does not change what made it. */
const CODE_ONLY = ["--", ".", ":(exclude)experiments"];

/**
 * The exact code in a checkout: commit, whether files differ from it, and a hash over the
 * difference (tracked changes as a binary diff, then each untracked file's path and content).
 * Without git the git fields are null; the version and the lock file remain. In a bundle: the
 * checkout it was made from.
 */
export async function codeFacts(root: string = repositoryRoot): Promise<CodeFacts> {
  const bundle = await readBundleRecord(root);
  if (bundle !== undefined) return bundle.code;
  const lockfile = await readFile(join(root, "package-lock.json")).catch(() => undefined);
  const facts = {
    fmlabVersion,
    lockfileSha256:
      lockfile === undefined ? null : createHash("sha256").update(lockfile).digest("hex"),
  };
  let gitCommit: string;
  try {
    gitCommit = (await git(root, "rev-parse", "HEAD")).toString().trim();
  } catch {
    // No git, no repository or no commit yet.
    return { ...facts, gitCommit: null, dirty: null, diffSha256: null };
  }
  try {
    const plain = ["--binary", "--no-ext-diff", "--no-textconv"];
    const diff = await git(root, "diff", "HEAD", ...plain, ...CODE_ONLY);
    const listed = await git(
      root,
      "ls-files",
      "--others",
      "--exclude-standard",
      "-z",
      ...CODE_ONLY,
    );
    const untracked = listed.toString().split("\0").filter(Boolean).sort();
    const dirty = diff.length > 0 || untracked.length > 0;
    const diffSha256 = dirty ? await hashChanges(root, diff, untracked) : null;
    return { ...facts, gitCommit, dirty, diffSha256 };
  } catch {
    // The difference is too large or unreadable: it exists, but has no name.
    return { ...facts, gitCommit, dirty: true, diffSha256: null };
  }
}

async function git(root: string, ...args: string[]): Promise<Buffer> {
  // A checkout may belong to another user, and no program named by its configuration may run here.
  const safe = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false"];
  const { stdout } = await run("git", ["-C", root, ...safe, ...args], {
    encoding: "buffer",
    maxBuffer: DIFF_BYTES_MAX,
    timeout: 20_000,
  });
  return stdout;
}

async function hashChanges(root: string, diff: Buffer, untracked: string[]): Promise<string> {
  const hash = createHash("sha256").update(diff);
  for (const path of untracked) {
    hash.update(`\0${path}\0`);
    await hashFile(join(root, path), hash);
  }
  return hash.digest("hex");
}

async function hashFile(path: string, hash: Hash): Promise<void> {
  try {
    for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  } catch (error) {
    // It went away between listing and reading, or is a link to nothing or to a folder.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EISDIR") throw error;
  }
}
