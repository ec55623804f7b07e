import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout this command runs from; in a bundle (`npm run bundle`) the bundle's folder. */
export const repositoryRoot = resolve(
  process.env.FMLAB_BUNDLE || fileURLToPath(new URL("../../../", import.meta.url)),
);

/** Version of fmlab, as told to the server and written in run records. */
export const fmlabVersion = (
  JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8")) as { version: string }
).version;

/** Folders a run reads from and the agent writes to. */
export interface Folders {
  modelsDir: string;
  dataDir: string | undefined;
  /** Where local state lies: connection file, hash cache, scratch folders. */
  homeDir: string;
}

/** The folders of this machine, from the environment or the checkout. */
export function machineFolders(env: NodeJS.ProcessEnv = process.env): Folders {
  return {
    modelsDir: resolve(env.FMLAB_MODELS_DIR || join(repositoryRoot, "models")),
    dataDir: env.FMLAB_DATA_DIR ? resolve(env.FMLAB_DATA_DIR) : undefined,
    homeDir: resolve(env.FMLAB_HOME || join(repositoryRoot, ".data")),
  };
}

/** Where `fmlab calibrate` keeps the costs of this machine; runs find it by `FMLAB_COSTS`. */
export function costsFile({ homeDir }: Pick<Folders, "homeDir">): string {
  return join(homeDir, "costs.json");
}
