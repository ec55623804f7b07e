import { DomainError } from "@fmlab/experiment";

/** What can go wrong between the engine and its callers. */
export type EngineFailure =
  /** An option lies outside its range. */
  | { code: "BAD_OPTION"; option: string; value: number; expected: string }
  /** A token id that the vocabulary does not have. */
  | { code: "TOKEN_OUT_OF_RANGE"; token: number; vocabularySize: number }
  /** The KV cache has no room for that many tokens; `reset` begins a new context. */
  | { code: "CONTEXT_FULL"; position: number; tokens: number; contextLength: number }
  /** The source of experts answered with slots that are no slots, or the same one twice. */
  | { code: "BAD_SLOTS"; layer: number; slots: number[]; slotCount: number }
  /** The router chose an expert that does not exist: its weights or the state are not finite. */
  | { code: "BAD_ROUTING"; layer: number; experts: number[]; expertCount: number }
  /** The machine has no such device, or ggml has no build for it. */
  | { code: "NO_DEVICE"; device: string; found: string[] }
  | { code: "ENGINE_CLOSED" };

/** Any failure of the engine itself. */
export class EngineError extends DomainError<EngineFailure> {}

/** Throws `BAD_OPTION` unless `value` is an integer in `low..high`. */
export function requireOption(option: string, value: number, low: number, high: number): void {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return;
  const expected = `a whole number from ${low} to ${high}`;
  throw new EngineError(`${option} is ${value}; expected ${expected}`, {
    code: "BAD_OPTION",
    option,
    value,
    expected,
  });
}
