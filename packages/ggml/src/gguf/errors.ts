import { DomainError } from "@fmlab/experiment";

/**
 * Why a file is not a GGUF file this reader takes, or lacks what its user asks for. `position` is
 * the byte, counted from the start of the file, of the first field that is wrong.
 */
export type GgufFailure =
  /** The file cannot be opened or read. */
  | { code: "UNREADABLE"; path: string; reason: string }
  /** It does not start with the bytes `GGUF`. */
  | { code: "WRONG_MAGIC"; path: string; position: number; found: string }
  /** Its version is not 2 or 3, or it is big-endian. */
  | { code: "UNSUPPORTED_VERSION"; path: string; position: number; found: number }
  /** It ends before a field does. */
  | { code: "TRUNCATED"; path: string; position: number; neededBytes: number; fileBytes: number }
  /** A count or a length is more than the rest of the file, or a stated limit, can hold. */
  | { code: "ABSURD_COUNT"; path: string; position: number; what: string; count: string }
  /** A field holds a value that the format does not allow. */
  | { code: "BAD_VALUE"; path: string; position: number; what: string; found: string }
  /** A text is not UTF-8. */
  | { code: "BAD_UTF8"; path: string; position: number; what: string }
  /** A key or a tensor name occurs twice. */
  | { code: "DUPLICATE_NAME"; path: string; position: number; what: string; name: string }
  /** A tensor has a type this reader does not know. */
  | { code: "UNKNOWN_TENSOR_TYPE"; path: string; position: number; tensor: string; type: number }
  /** A tensor's place is misaligned, outside the file, or shared with another tensor. */
  | { code: "BAD_TENSOR_PLACE"; path: string; position: number; tensor: string; offset: number }
  /** A part of a split file is not there or cannot be read; `part` counts from 1. */
  | { code: "MISSING_PART"; path: string; part: number; partCount: number }
  /** A part of a split file belongs to another file, or was renamed; `part` counts from 1. */
  | { code: "WRONG_PART"; path: string; part: number; partCount: number; problem: string }
  /** The metadata lack a key that is asked for. */
  | { code: "MISSING_KEY"; path: string; key: string }
  /** A metadata value has another type or range than is asked for. */
  | { code: "WRONG_KEY"; path: string; key: string; expected: string; found: string }
  /** The file has no tensor of that name. */
  | { code: "MISSING_TENSOR"; path: string; tensor: string };

/** Any failure of reading a GGUF file. */
export class GgufError extends DomainError<GgufFailure> {}
