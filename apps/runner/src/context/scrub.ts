import { realpathSync } from "node:fs";
import { homedir, hostname, tmpdir, userInfo } from "node:os";
import { relative } from "node:path";

/** Account names that name nobody; as words they may stand in any text. */
const NOBODY = new Set(
  "root user admin administrator node runner ubuntu debian docker vscode guest nobody".split(" "),
);
/** Shorter names are found in too many words. */
const NAME_CHARACTERS_MIN = 4;

/**
 * Takes this machine's own host name, user name and folders out of text: run folders are committed
 * and failures are shown to a whole team. Paths inside the checkout become relative to it, other
 * known folders get their name. Nothing else is touched: that a text looks like a path does not
 * make it one, and a record must say what was there.
 */
export class Scrubber {
  readonly #known: [at: RegExp, name: string][];
  readonly #names: [at: RegExp, name: string][];

  /** @param folders absolute folders and the names to show for them; `""` drops the prefix */
  constructor(
    folders: Record<string, string>,
    host: string = hostname(),
    user: string = userName(),
  ) {
    const named: [string, string][] = [
      ...Object.entries(folders),
      [tmpdir(), "<tmp>"],
      [homedir(), "~"],
    ];
    // Messages also hold paths with links followed. Where two names fit, the caller's own is kept.
    const all = new Map<string, string>();
    for (const [folder, name] of named) {
      for (const path of [folder, withoutLinks(folder)]) {
        if (path.length > 1 && !all.has(path)) all.set(path, name);
      }
    }
    this.#known = [...all]
      .sort(([a], [b]) => b.length - a.length)
      .map(([prefix, name]) => [prefixPattern(prefix), name]);
    this.#names = [...hostPattern(host), ...userPattern(user)];
  }

  text(text: string): string {
    let out = text;
    for (const [at, name] of this.#known) {
      out = out.replace(at, (_, slash: string) =>
        name === "" ? (slash === "" ? "." : "") : name + slash,
      );
    }
    for (const [at, name] of this.#names) out = out.replace(at, name);
    return out;
  }

  /** The same for every string inside a JSON value; the value itself is not changed. */
  value<T>(value: T): T {
    if (typeof value === "string") return this.text(value) as T;
    if (Array.isArray(value)) return value.map((entry) => this.value(entry)) as T;
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([key, entry]) => [this.text(key), this.value(entry)]),
      ) as T;
    }
    return value;
  }
}

/** The folders this command names in every text. */
export function standardFolders(
  repositoryRoot: string,
  folders: { modelsDir: string; dataDir: string | undefined; homeDir: string },
): Record<string, string> {
  const inside = (path: string, name: string): string => {
    const from = relative(repositoryRoot, path);
    return from !== "" && !from.startsWith("..") ? from : name;
  };
  return {
    [repositoryRoot]: "",
    [process.cwd()]: inside(process.cwd(), ""),
    [folders.modelsDir]: inside(folders.modelsDir, "models"),
    ...(folders.dataDir === undefined
      ? {}
      : { [folders.dataDir]: inside(folders.dataDir, "data") }),
    [folders.homeDir]: inside(folders.homeDir, "<home>"),
  };
}

/** A folder and its slash, where it is not the beginning of a longer name. */
function prefixPattern(prefix: string): RegExp {
  // `/tmp` also ends longer paths, e.g. `build/tmp`; a folder further down is found anywhere.
  const before = prefix.lastIndexOf("/") === 0 ? String.raw`(?<![\w.~>-])` : "";
  return new RegExp(`${before}(?:file://)?${escapeRegExp(prefix)}(/|(?![\\w.-]))`, "g");
}

function hostPattern(host: string): [RegExp, string][] {
  const name = host.split(".")[0] ?? "";
  if (name.length < NAME_CHARACTERS_MIN || name === "localhost") return [];
  const at = String.raw`(?:[\w.-]+@)?\b${escapeRegExp(name)}\b(?:\.[\w-]+)*`;
  return [[new RegExp(at, "g"), "<host>"]];
}

function userPattern(user: string): [RegExp, string][] {
  if (user.length < NAME_CHARACTERS_MIN || NOBODY.has(user.toLowerCase())) return [];
  return [[new RegExp(String.raw`(?<![\w-])${escapeRegExp(user)}(?![\w-])`, "g"), "<user>"]];
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // The account has no entry on this machine, as in some containers: nothing to hide.
    return "";
  }
}

function withoutLinks(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    // A folder that is not there leads nowhere else.
    return folder;
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
