import { readdirSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { basename, relative } from "node:path";

/**
 * Takes what names a person or a machine out of text: run folders are committed and failures are
 * shown to a whole team. Paths inside the checkout become relative to it, known folders get their
 * name, any other absolute path keeps only its last part. A path is recognised by its first part
 * being a folder at the root of the file system, so that `tokens/s` or `/2` stay as they are.
 */
export class Scrubber {
  readonly #known: [prefix: string, name: string][];
  readonly #absolute: RegExp;
  readonly #host: RegExp | undefined;

  /** @param folders absolute folders and the names to show for them; `""` drops the prefix */
  constructor(folders: Record<string, string>, host: string = hostname()) {
    const all: [string, string][] = [
      ...Object.entries(folders),
      [tmpdir(), "<tmp>"],
      [homedir(), "~"],
    ];
    this.#known = all
      .filter(([prefix]) => prefix.length > 1)
      .sort(([a], [b]) => b.length - a.length);
    const roots = rootFolders().map(escapeRegExp).join("|");
    const part = String.raw`[^\s/:"'()<>\`,;]+`;
    this.#absolute = new RegExp(
      String.raw`(?<![\w.~>/-])(?:file://)?/(?:${roots})(?:/${part})+/?`,
      "g",
    );
    const name = host.split(".")[0] ?? "";
    this.#host =
      name.length >= 4 && name !== "localhost"
        ? new RegExp(String.raw`(?:[\w.-]+@)?\b${escapeRegExp(name)}\b(?:\.[\w-]+)*`, "g")
        : undefined;
  }

  text(text: string): string {
    let out = text;
    for (const [prefix, name] of this.#known) {
      if (!out.includes(prefix)) continue;
      const at = new RegExp(`(?:file://)?${escapeRegExp(prefix)}(/|(?![\\w.-]))`, "g");
      out = out.replace(at, (_, slash: string) =>
        name === "" ? (slash === "" ? "." : "") : name + slash,
      );
    }
    if (out.includes("/")) out = out.replace(this.#absolute, (path) => `<path>/${basename(path)}`);
    return this.#host === undefined ? out : out.replace(this.#host, "<host>");
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

function rootFolders(): string[] {
  return readdirSync("/", { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
