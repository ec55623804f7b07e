import {
  type GgufMetadata,
  type GgufValue,
  getInteger,
  getIntegers,
  type IntegerOptions,
} from "@fmlab/ggml";
import { MoeError } from "../errors.ts";

/**
 * A whole number that holds for all layers; some converters write it once a layer, as an array.
 *
 * @throws MoeError `UNSUPPORTED_FEATURE` when layers differ
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 */
export function getUniformInteger(
  file: GgufMetadata,
  key: string,
  options: IntegerOptions,
): number {
  if (file.metadata.get(key)?.type !== "array") return getInteger(file, key, options);
  const [first = 0, ...others] = getIntegers(file, key);
  if (others.some((other) => other !== first)) {
    const found = `layers of different ${key}`;
    const supported = "layers of one size";
    throw new MoeError(
      `${file.path} has ${found}; this version computes ${supported}. Choose another model file.`,
      { code: "UNSUPPORTED_FEATURE", path: file.path, found, supported },
    );
  }
  const value: GgufValue = { type: "int64", value: BigInt(first) };
  return getInteger({ path: file.path, metadata: new Map([[key, value]]) }, key, options);
}
