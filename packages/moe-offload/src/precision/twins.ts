import { existsSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { basename, join } from "node:path";
import {
  dequantise,
  GgmlLibrary,
  GgufError,
  type GgufFile,
  getInteger,
  getString,
  hasFiniteBlocks,
  openGguf,
  quantise,
} from "@fmlab/ggml";
import { EXPERT_PARTS } from "../engine/interfaces.ts";
import { MoeError } from "../errors.ts";
import { badModel, type ModelDescription } from "../model/description.ts";
import { type ExpertLayout, type ExpertMatrix, expertLayout } from "../model/expert-layout.ts";
import { diskFull, GgufStream, type StreamedTensor } from "./gguf-stream.ts";
import { modelIdentity } from "./model-identity.ts";
import type { TwinKind } from "./names.ts";
import { twinBytes, twinType } from "./twin-types.ts";

/** Raised when twins are made in another way, so that old ones are made anew. */
const TWIN_VERSION = 1;
const KEYS = {
  version: "fmlab.twin.version",
  kind: "fmlab.twin.kind",
  identity: "fmlab.twin.model",
} as const;

/** What twins are made of and where they go. */
export interface TwinRequest {
  /** The model's file or files, open. */
  readonly file: GgufFile;
  readonly model: ModelDescription;
  readonly layout: ExpertLayout;
  readonly kind: TwinKind;
  /** Where twins are kept; made when it is missing. */
  readonly folder: string;
  /** Told after each matrix: matrices done and in all. Not called when nothing is made. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Called before each matrix; what it throws ends the work and leaves no file. */
  readonly throwIfCancelled?: () => void;
}

/** Low-precision copies of all experts of a model, in a file of their own. */
export interface Twins {
  readonly kind: TwinKind;
  /** The file of twins, open; the caller closes it. */
  readonly file: GgufFile;
  /** Where each expert's twin lies in it. */
  readonly layout: ExpertLayout;
  /** True when the file was made by this call, false when it was there. */
  readonly wasMade: boolean;
}

/**
 * Opens the twins of a model, made before or now. Each weight is expanded from the file's own type
 * and quantised again, one matrix at a time, so that memory does not grow with the model. The file
 * is named after the model's content; one that is damaged or of another version is made anew.
 *
 * @throws MoeError `NO_TWIN` | `DISK_FULL` | `UNWRITABLE`
 * @throws GgufError when the model cannot be read; whatever `throwIfCancelled` throws
 * @see Fate_open, where every expert is kept as INT4 and INT2 in host memory
 */
export function openTwins(request: TwinRequest): Twins {
  const { file, folder, kind } = request;
  const identity = modelIdentity(file);
  const tensors = tensorsOf(request);
  const path = twinPath(folder, file.path, identity, kind);
  const found = reopen(path, request, identity, tensors);
  if (found !== undefined) return { ...found, wasMade: false };
  make(path, request, identity, tensors);
  const made = reopen(path, request, identity, tensors);
  if (made === undefined) throw new Error(`${path} was just written and is not what it should be`);
  return { ...made, wasMade: true };
}

/** The path of a model's twins. */
export function twinPath(
  folder: string,
  modelPath: string,
  identity: string,
  kind: TwinKind,
): string {
  return join(folder, `${basename(modelPath, ".gguf")}.${identity}.${kind}.experts.gguf`);
}

/** Tensors of the twins' file: each layer's gate, up and down, named as in a model file. */
function tensorsOf({ file, kind, layout }: TwinRequest): StreamedTensor[] {
  return layout.moeLayers.flatMap((layer) =>
    layout.classOfLayer(layer).parts.map((matrix) => ({
      name: `blk.${layer}.ffn_${matrix.name}_exps.weight`,
      type: twinType(kind, matrix, file.path),
      shape: [matrix.columns, matrix.rows, layout.expertCount],
      sizeBytes: twinBytes(kind, matrix, file.path) * layout.expertCount,
    })),
  );
}

/** The twins at `path` when they are whole and this model's; undefined when they must be made. */
function reopen(
  path: string,
  { kind, model }: TwinRequest,
  identity: string,
  tensors: readonly StreamedTensor[],
): Omit<Twins, "wasMade"> | undefined {
  if (!existsSync(path)) return undefined;
  let file: GgufFile | undefined;
  try {
    file = openGguf(path);
    const isTheirs =
      getInteger(file, KEYS.version) === TWIN_VERSION &&
      getString(file, KEYS.kind) === kind &&
      getString(file, KEYS.identity) === identity &&
      tensors.every(({ name, type }) => file?.tensors.get(name)?.type === type);
    if (isTheirs) return { kind, file, layout: expertLayout(file, model) };
  } catch (error) {
    if (!(error instanceof GgufError || error instanceof MoeError)) throw error;
    // A damaged file is no failure: it is made anew.
  }
  file?.close();
  return undefined;
}

function make(
  path: string,
  request: TwinRequest,
  identity: string,
  tensors: readonly StreamedTensor[],
): void {
  const { file, folder, kind, layout } = request;
  prepareFolder(folder, path);
  const metadata = new Map<string, string | number>([
    ["general.architecture", "fmlab-expert-twins"],
    ["general.name", basename(file.path, ".gguf")],
    [KEYS.version, TWIN_VERSION],
    [KEYS.kind, kind],
    [KEYS.identity, identity],
  ]);
  const neededBytes = tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (freeBytes(folder) < neededBytes) throw diskFull(path, neededBytes);
  const stream = new GgufStream(path, metadata, tensors);
  try {
    const total = layout.moeLayers.length * EXPERT_PARTS.length * layout.expertCount;
    let done = 0;
    for (const layer of layout.moeLayers) {
      for (const matrix of layout.classOfLayer(layer).parts) {
        for (let expert = 0; expert < layout.expertCount; expert++) {
          request.throwIfCancelled?.();
          stream.write(quantiseMatrix(request, layer, expert, matrix));
          request.onProgress?.(++done, total);
        }
      }
    }
    stream.finish();
  } finally {
    stream.discard();
  }
}

function quantiseMatrix(
  { file, kind, layout }: TwinRequest,
  layer: number,
  expert: number,
  matrix: ExpertMatrix,
): Uint8Array {
  const library = GgmlLibrary.load();
  const { offset, sizeBytes, fileIndex } = layout.range(layer, expert, matrix.name);
  const bytes = new Uint8Array(sizeBytes);
  file.read(offset, bytes, fileIndex);
  const type = twinType(kind, matrix, file.path);
  if (!hasFiniteBlocks(library, matrix.type, bytes)) {
    const place = `expert ${expert} of layer ${layer} (${matrix.name})`;
    throw badModel(file, `${place} holds weights that are not finite`);
  }
  // A copy of the same bits: rounding twice to one grid would only add noise.
  if (type === matrix.type) return bytes;
  return quantise(library, type, dequantise(library, matrix.type, bytes), matrix.columns);
}

function prepareFolder(folder: string, path: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    // What was found there was no use.
    rmSync(path, { force: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MoeError(
      `low-precision experts cannot be kept in ${folder}: ${reason}. ` +
        "Give a folder this process may write to.",
      { code: "UNWRITABLE", path: folder, reason },
      { cause },
    );
  }
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
