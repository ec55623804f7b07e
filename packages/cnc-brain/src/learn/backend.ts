import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
// Imported whole, not when needed: a bundle's late import of such a package has no names.
import { version_cpu } from "@tensorflow/tfjs-backend-cpu";
import { version_wasm } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { CncError } from "../errors.ts";

/**
 * Where TensorFlow's kernels can run, in the order they are tried: libtensorflow on the GPU, the
 * same on the CPU, WebAssembly, plain JavaScript. The first two are no dependencies of this
 * repository; they are used where somebody has installed them.
 */
export const TENSOR_BACK_ENDS = ["tfjs-node-gpu", "tfjs-node", "wasm", "cpu"] as const;
export type TensorBackEnd = (typeof TENSOR_BACK_ENDS)[number];

/** The back end that computes from now on. */
export interface ChosenBackEnd {
  name: TensorBackEnd;
  /** Of the package. */
  version: string;
  /** Those tried before, and why each is not used. */
  refused: { name: TensorBackEnd; reason: string }[];
}

/** How a back end is chosen. */
export interface BackEndChoice {
  /** Tried in this order. */
  order?: readonly TensorBackEnd[];
  /**
   * Folders from which an installed package is looked up, beside this file's and NODE_PATH; the
   * folder of the bundle and the working folder by default.
   */
  from?: readonly string[];
  /** Writes the choice into the run record: `ctx.note`. */
  note?: (key: string, value: string) => void;
}

interface Loaded {
  /** Its name in TensorFlow's own list. */
  engineName: string;
  version: string;
}

/**
 * Makes TensorFlow compute on the best back end there is, after a small product that it must get
 * right. Which one it was belongs in the run record: results of two differ in their last digits.
 *
 * @throws CncError `UNKNOWN_NAME` when none of those asked for works
 */
export async function chooseBackEnd(choice: BackEndChoice = {}): Promise<ChosenBackEnd> {
  const { from = usualFolders(), note, order = TENSOR_BACK_ENDS } = choice;
  const refused: ChosenBackEnd["refused"] = [];
  for (const name of order) {
    try {
      const { engineName, version } = await load(name, from);
      await activate(engineName);
      note?.("tensorBackEnd", `${name} ${version}`);
      if (refused.length > 0) note?.("tensorBackEndsRefused", tellRefused(refused));
      return { name, version, refused };
    } catch (error) {
      refused.push({ name, reason: firstLine(error) });
    }
  }
  throw new CncError(`TensorFlow has no back end here: ${tellRefused(refused)}`, {
    code: "UNKNOWN_NAME",
    what: "back end of TensorFlow",
    name: order.join(", "),
    known: [...TENSOR_BACK_ENDS],
  });
}

async function load(name: TensorBackEnd, from: readonly string[]): Promise<Loaded> {
  switch (name) {
    case "cpu":
      return { engineName: "cpu", version: version_cpu };
    case "wasm":
      return { engineName: "wasm", version: version_wasm };
    default:
      return loadInstalled(`@tensorflow/${name}`, from);
  }
}

/** Both native packages register their kernels as `tensorflow` with the engine that all share. */
async function loadInstalled(name: string, from: readonly string[]): Promise<Loaded> {
  const places = [import.meta.url, ...from.map((folder) => join(folder, "package.json"))];
  for (const place of places) {
    const require = createRequire(place);
    let path: string;
    try {
      path = require.resolve(name);
    } catch (error) {
      if ((error as { code?: string }).code !== "MODULE_NOT_FOUND") throw error;
      continue;
    }
    await import(pathToFileURL(path).href);
    return { engineName: "tensorflow", version: versionAbove(path, name) };
  }
  throw new Error("not installed");
}

/** A back end that loads may still not compute, e.g. without a driver. */
async function activate(engineName: string): Promise<void> {
  if (!(await tf.setBackend(engineName))) throw new Error("it could not be started");
  await tf.ready();
  const product = tf.tidy(() =>
    tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])),
  );
  const values = await product.data();
  product.dispose();
  if (String([...values]) !== "19,22,43,50") {
    throw new Error(`a product of two matrices came out as ${[...values]}`);
  }
}

function versionAbove(path: string, name: string): string {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const text = readFileSync(join(folder, "package.json"), "utf8");
      const manifest = JSON.parse(text) as { name?: string; version?: string };
      if (manifest.name === name && manifest.version !== undefined) return manifest.version;
    } catch {
      // No package.json here: the package's own lies further up.
    }
  }
  return "of unknown version";
}

function usualFolders(): string[] {
  return [process.env.FMLAB_BUNDLE, process.cwd()].filter((one) => one !== undefined);
}

function tellRefused(refused: ChosenBackEnd["refused"]): string {
  return refused.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split("\n")[0] ?? "";
}
