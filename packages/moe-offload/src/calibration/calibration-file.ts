import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import {
  encodeGguf,
  type GgufFile,
  type GgufTensorInput,
  type GgufValue,
  getInteger,
  getNumber,
  getString,
  openGguf,
  TENSOR_TYPE,
} from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import type { RoutingShape } from "../offload/routing.ts";
import type { Calibration } from "./calibration.ts";

const ARCHITECTURE = "fmlab-moe-calibration";
const VERSION = 4;

/** Where the calibration of a model lies: beside its file. */
export function calibrationPath(modelPath: string): string {
  return `${modelPath.replace(/\.gguf$/, "")}.calibration.gguf`;
}

/**
 * Writes a calibration: a GGUF file of F32 tensors, complete or not at all.
 *
 * @param modelKey  identity of the model's contents, see `modelKey`
 * @throws MoeError `UNWRITABLE`
 */
export function writeCalibration(path: string, calibration: Calibration, modelKey: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, encodeCalibration(calibration, modelKey));
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MoeError(
      `the calibration ${path} cannot be written: ${reason}. Make its folder writable, or the ` +
        "model is calibrated anew in every run.",
      { code: "UNWRITABLE", path, reason },
      { cause },
    );
  }
}

/** The bytes of a calibration file. */
export function encodeCalibration(calibration: Calibration, modelKey: string): Uint8Array {
  const { shape, reuseModel } = calibration;
  const count = (value: number): GgufValue => ({ type: "uint32", value });
  const metadata: [string, GgufValue][] = [
    ["general.architecture", { type: "string", value: ARCHITECTURE }],
    ["calibration.version", count(VERSION)],
    ["calibration.model_key", { type: "string", value: modelKey }],
    ["calibration.layer_count", count(shape.layerCount)],
    ["calibration.expert_count", count(shape.expertCount)],
    ["calibration.token_count", count(calibration.tokenCount)],
    ["calibration.seed", count(calibration.seed)],
    ["calibration.matrix_count", count(calibration.activationMatrices.length)],
    ["calibration.reuse_rate", { type: "float32", value: reuseModel.rates[0] ?? 0 }],
  ];
  const tensors: GgufTensorInput[] = [];
  const add = (name: string, values: ArrayLike<number> | undefined) => {
    if (values === undefined) return;
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    tensors.push({ name, type: TENSOR_TYPE.F32, shape: [values.length], bytes });
  };
  add("popularity", calibration.popularity);
  calibration.activationMatrices.forEach((matrix, i) => {
    add(`matrix.${i}`, matrix);
  });
  for (const layer of shape.moeLayers) {
    add(`successors.${layer}`, calibration.successors[layer]);
    add(`misses.${layer}`, calibration.missCurves.missesPerToken[layer]);
    add(`map.${layer}.weight`, calibration.layerMaps[layer]?.weights);
    add(`map.${layer}.bias`, calibration.layerMaps[layer]?.bias);
    add(`reuse.${layer}.weight`, reuseModel.weights[layer]);
    add(`reuse.${layer}.bias`, reuseModel.bias[layer]);
  }
  return encodeGguf({ metadata, tensors });
}

/**
 * Reads the calibration of a model.
 *
 * @returns undefined when there is none, or when it is of another model or version
 * @throws GgufError | MoeError `BAD_CALIBRATION` for a damaged file
 */
export function readCalibration(
  path: string,
  shape: RoutingShape,
  modelKey: string,
): Calibration | undefined {
  if (!existsSync(path)) return undefined;
  const file = openGguf(path);
  try {
    const isOurs =
      getString(file, "general.architecture", "") === ARCHITECTURE &&
      getInteger(file, "calibration.version", { fallback: 0 }) === VERSION &&
      getString(file, "calibration.model_key", "") === modelKey;
    return isOurs ? decode(file, shape) : undefined;
  } finally {
    file.close();
  }
}

function decode(file: GgufFile, shape: RoutingShape): Calibration {
  const { expertCount, layerCount } = shape;
  const square = expertCount * expertCount;
  const find = (name: string, length: number) => tensorOf(file, name, length);
  const need = (name: string, length: number) => {
    const found = find(name, length);
    if (!found) throw damaged(file.path, `${name} is missing`);
    return found;
  };
  const byLayer = <T>(read: (layer: number) => T | undefined) =>
    Array.from({ length: layerCount }, (_, layer) =>
      shape.moeLayers.includes(layer) ? read(layer) : undefined,
    );
  const matrixCount = getInteger(file, "calibration.matrix_count", { max: 100_000 });
  return {
    shape,
    tokenCount: getInteger(file, "calibration.token_count"),
    seed: getInteger(file, "calibration.seed"),
    popularity: Float64Array.from(need("popularity", layerCount * expertCount)),
    activationMatrices: Array.from({ length: matrixCount }, (_, i) =>
      need(`matrix.${i}`, layerCount * expertCount),
    ),
    successors: byLayer((layer) => {
      const counts = find(`successors.${layer}`, square);
      return counts && Float64Array.from(counts);
    }),
    layerMaps: byLayer((layer) => {
      const weights = find(`map.${layer}.weight`, square);
      return weights && { weights, bias: need(`map.${layer}.bias`, expertCount) };
    }),
    missCurves: {
      missesPerToken: byLayer((layer) =>
        Float64Array.from(need(`misses.${layer}`, expertCount + 1)),
      ),
    },
    reuseModel: {
      rates: [getNumber(file, "calibration.reuse_rate", { min: 0, max: 1 })],
      weights: byLayer((layer) => need(`reuse.${layer}.weight`, 2 * square)),
      bias: byLayer((layer) => need(`reuse.${layer}.bias`, expertCount)),
    },
  };
}

function tensorOf(file: GgufFile, name: string, length: number): Float32Array | undefined {
  const tensor = file.tensors.get(name);
  if (!tensor) return undefined;
  if (tensor.type !== TENSOR_TYPE.F32 || tensor.sizeBytes !== length * 4) {
    throw damaged(file.path, `${name} has ${tensor.sizeBytes} bytes, expected ${length * 4}`);
  }
  const values = new Float32Array(length);
  file.read(tensor.offset, new Uint8Array(values.buffer));
  if (!values.every(Number.isFinite)) throw damaged(file.path, `${name} is not finite`);
  return values;
}

function damaged(path: string, problem: string): MoeError {
  return new MoeError(
    `${path} is no usable calibration: ${problem}. Delete it; the next run makes it anew.`,
    { code: "BAD_CALIBRATION", path, problem },
  );
}
