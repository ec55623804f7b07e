import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Folders of one attempt; all of it goes when the attempt is over. */
export interface AttemptFolders {
  root: string;
  scratchDir: string;
  stagingDir: string;
  spillFile: string;
}

/** Temporary folders of this process under `<home>/scratch/<pid>`. */
export class ScratchFolders {
  readonly #own: string;

  /** Removes what earlier processes that are gone have left. */
  constructor(homeDir: string) {
    const all = join(homeDir, "scratch");
    mkdirSync(all, { recursive: true });
    for (const name of readdirSync(all)) {
      if (!isAlive(Number(name))) rmSync(join(all, name), { recursive: true, force: true });
    }
    this.#own = join(all, String(process.pid));
    mkdirSync(this.#own, { recursive: true });
  }

  make(): AttemptFolders {
    const root = mkdtempSync(join(this.#own, "attempt-"));
    const scratchDir = join(root, "scratch");
    const stagingDir = join(root, "staging");
    mkdirSync(scratchDir);
    mkdirSync(stagingDir);
    return { root, scratchDir, stagingDir, spillFile: join(root, "outbox.jsonl") };
  }

  remove(folders: AttemptFolders): void {
    rmSync(folders.root, { recursive: true, force: true });
  }

  close(): void {
    rmSync(this.#own, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
