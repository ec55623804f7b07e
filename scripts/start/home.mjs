import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Creates the folder of all local state; others may pass through, since Postgres runs as its own
 * user.
 */
export function ensureHome(dir) {
  const home = path.resolve(dir);
  mkdirSync(home, { recursive: true, mode: 0o711 });
  return home;
}

/** Secrets of this installation, generated on the first start and readable by their owner only. */
export function loadSecrets(home) {
  const file = path.join(home, "secrets.json");
  if (existsSync(file)) {
    try {
      return JSON.parse(readFileSync(file, "utf8"));
    } catch (cause) {
      throw new Error(
        `${file} is not readable JSON. Restore it; without it the local database cannot be opened.`,
        { cause },
      );
    }
  }
  const secrets = {
    authSecret: randomBytes(32).toString("base64url"),
    postgresPassword: randomBytes(24).toString("base64url"),
  };
  writeFileSync(`${file}.new`, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return secrets;
}
