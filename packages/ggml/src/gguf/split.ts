import { GgufError } from "./errors.ts";
import { getInteger } from "./lookup.ts";
import type { GgufTensor, GgufValue } from "./types.ts";

/** Parts a split file may have: their numbers have five digits. */
const PARTS_MAX = 99_999;
const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s;

/** What the metadata of one part say about the whole. */
export interface SplitKeys {
  /** 0-based number of the part. */
  readonly number: number;
  readonly count: number;
  /** Tensors of all parts together. */
  readonly tensorCount: number;
}

/** The parsed header of one part. */
export interface GgufPart {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/**
 * The path of one part of a split file, `PREFIX-00001-of-0000N.gguf`.
 * @param number 0-based, less than `count`
 * @see llama.cpp `llama_split_path`
 */
export function splitPath(prefix: string, number: number, count: number): string {
  const digits = (n: number) => String(n).padStart(5, "0");
  return `${prefix}-${digits(number + 1)}-of-${digits(count)}.gguf`;
}

/**
 * The split keys of a part, or undefined for a file that is whole.
 * @throws GgufError `MISSING_KEY` | `WRONG_KEY`
 */
export function splitKeys(part: Pick<GgufPart, "path" | "metadata">): SplitKeys | undefined {
  const count = getInteger(part, "split.count", { max: PARTS_MAX, fallback: 0 });
  if (count <= 1) return undefined;
  return {
    count,
    number: getInteger(part, "split.no", { max: count - 1 }),
    tensorCount: getInteger(part, "split.tensors.count"),
  };
}

/**
 * The paths of all parts of a split file, found from the path of one of them.
 * @throws GgufError `WRONG_PART` when the file's name does not say what its metadata say
 */
export function splitPaths(path: string, keys: SplitKeys): string[] {
  const { count, number } = keys;
  const prefix = PART_NAME.exec(path)?.[1];
  if (prefix === undefined || splitPath(prefix, number, count) !== path) {
    const expected = splitPath("NAME", number, count);
    throw wrongPart(path, `its name does not end as that of "${expected}" does`, keys);
  }
  return Array.from({ length: count }, (_, part) => splitPath(prefix, part, count));
}

/**
 * Checks that part `number` belongs to the file whose first read part has `keys`.
 * @throws GgufError `WRONG_PART`
 */
export function checkPart(part: GgufPart, number: number, keys: SplitKeys): void {
  const own = splitKeys(part);
  if (own?.count !== keys.count || own.tensorCount !== keys.tensorCount) {
    const found = own ? `${own.count} parts and ${own.tensorCount} tensors` : "no parts";
    throw wrongPart(part.path, `it belongs to a file of ${found}`, { ...keys, number });
  }
  if (own.number !== number) {
    throw wrongPart(part.path, `it holds part ${own.number + 1}`, { ...keys, number });
  }
}

/**
 * One directory of the tensors of all parts.
 * @throws GgufError `DUPLICATE_NAME` | `WRONG_PART`
 */
export function joinTensors(parts: readonly GgufPart[], keys: SplitKeys): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { path, tensors: own } of parts) {
    for (const [name, tensor] of own) {
      const other = tensors.get(name);
      if (other !== undefined) {
        throw new GgufError(
          `${path}: tensor name "${name}" occurs in ${other.path} as well; each name may occur ` +
            "once. The parts are of different files; fetch them again.",
          { code: "DUPLICATE_NAME", path, position: 0, what: "tensor name", name },
        );
      }
      tensors.set(name, tensor);
    }
  }
  if (tensors.size !== keys.tensorCount) {
    const path = parts[0]?.path ?? "";
    throw wrongPart(path, `all parts together hold ${tensors.size} tensors`, keys);
  }
  return tensors;
}

/** The error for a part that is not there or cannot be read. */
export function missingPart(path: string, keys: SplitKeys, cause: GgufError): GgufError {
  const { count, number } = keys;
  return new GgufError(
    `part ${number + 1} of ${count} cannot be read: ${cause.message} All parts of a split model ` +
      "belong in one folder.",
    { code: "MISSING_PART", path, part: number + 1, partCount: count },
    { cause },
  );
}

function wrongPart(path: string, problem: string, keys: SplitKeys): GgufError {
  const { count, number, tensorCount } = keys;
  return new GgufError(
    `${path} is not part ${number + 1} of ${count} of a file with ${tensorCount} tensors: ` +
      `${problem}. Parts of different files are mixed up or were renamed; fetch them again.`,
    { code: "WRONG_PART", path, part: number + 1, partCount: count, problem },
  );
}
