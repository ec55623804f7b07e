/** A package of the production tree. */
export interface Installed {
  name: string;
  version: string;
  /** SPDX expression, or `UNKNOWN`. */
  licence: string;
}
/** What `npm ci --omit=dev` installs, optional packages for all platforms included. */
export function listInstalled(): Installed[];
/** Packages of others that our package.json files name for run time. */
export function listDirect(): (Installed & { usedBy: string[] })[];
