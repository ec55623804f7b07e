// What is installed at run time and under which licence, from package-lock.json and node_modules.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");

/**
 * @typedef {object} Installed
 * @property {string} name
 * @property {string} version
 * @property {string} licence SPDX expression, or `UNKNOWN`
 */

/**
 * Packages of the production tree (what `npm ci --omit=dev` installs, optional ones for all
 * platforms included), each name and version once, in order of name.
 *
 * @returns {Installed[]}
 */
export function listInstalled() {
  const lock = readJson("package-lock.json");
  const found = new Map();
  for (const [place, entry] of Object.entries(lock.packages)) {
    if (!place.includes("node_modules/") || entry.link || entry.dev) continue;
    const name = place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
    found.set(`${name}@${entry.version}`, {
      name,
      version: entry.version,
      // The lock file knows also what this platform does not install.
      licence: tellLicence(entry.license === undefined ? (readManifest(place) ?? entry) : entry),
    });
  }
  return [...found.values()].sort(
    (a, b) => compare(a.name, b.name) || compare(a.version, b.version),
  );
}

/**
 * Packages of others that our package.json files name for run time, with who names them.
 *
 * @returns {(Installed & { usedBy: string[] })[]}
 */
export function listDirect() {
  const installed = listInstalled();
  const users = new Map();
  for (const [folder, entry] of Object.entries(readJson("package-lock.json").packages)) {
    if (!/^(apps|packages)\/[^/]+$/.test(folder)) continue;
    const named = {
      ...entry.dependencies,
      ...entry.optionalDependencies,
      ...entry.peerDependencies,
    };
    for (const [name, range] of Object.entries(named)) {
      if (name.startsWith("@fmlab/")) continue;
      const matches = installed.filter((one) => one.name === name);
      const one = matches.find((match) => match.version === range) ?? matches[0];
      // An optional peer that is not installed: its licence cannot be looked up.
      if (one === undefined) continue;
      const key = `${one.name}@${one.version}`;
      users.set(key, { ...one, usedBy: [...(users.get(key)?.usedBy ?? []), folder].sort() });
    }
  }
  return [...users.values()].sort((a, b) => compare(a.name, b.name));
}

function readManifest(place) {
  const file = path.join(root, place, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

function readJson(name) {
  return JSON.parse(readFileSync(path.join(root, name), "utf8"));
}

/** Old packages write `{ type }`, or a list of them under `licenses`. */
function tellLicence(manifest) {
  const { license, licenses } = manifest;
  if (typeof license === "string") return license;
  if (license?.type) return license.type;
  if (Array.isArray(licenses)) return licenses.map((one) => one.type ?? one).join(" OR ");
  return "UNKNOWN";
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
