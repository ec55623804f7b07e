import { DomainError } from "@fmlab/experiment";

/** Failures of this package that a model file, a config or a machine can cause. */
export type MoeFailure =
  /** The file holds another kind of model than this package computes. */
  | { code: "UNSUPPORTED_ARCHITECTURE"; path: string; architecture: string; supported: string[] }
  /** The model asks for something this version does not compute. */
  | { code: "UNSUPPORTED_FEATURE"; path: string; found: string; supported: string }
  /** A tensor has a type this version does not compute with. Quantise the model otherwise. */
  | {
      code: "UNSUPPORTED_TENSOR_TYPE";
      path: string;
      tensor: string;
      found: string;
      supported: string[];
    }
  /** The file names the right architecture, but its contents do not fit together. */
  | { code: "BAD_MODEL"; path: string; problem: string }
  /** The tokenizer of the file is of another kind than this package has. */
  | { code: "UNSUPPORTED_TOKENIZER"; path: string; found: string; supported: string[] }
  /** A text has a run of characters too long for the tokenizer to cut in words. */
  | { code: "WORD_TOO_LONG"; characters: number }
  /** A token number lies outside the vocabulary. */
  | { code: "BAD_TOKEN"; token: number; vocabularySize: number }
  /** The expert memory is smaller than the policy needs. Raise the budget to `neededBytes`. */
  | { code: "BUDGET_TOO_SMALL"; policy: string; budgetBytes: number; neededBytes: number }
  /** Not even one batch of sequences fits in memory beside the slots. */
  | { code: "GROUP_TOO_LARGE"; neededBytes: number; memoryBytes: number }
  /** The prompt and the tokens to generate do not fit in the model's context. */
  | { code: "CONTEXT_TOO_SMALL"; promptTokens: number; maxTokens: number; contextLength: number }
  /** An expert's bytes could not be read in full. */
  | {
      code: "EXPERT_UNREADABLE";
      path: string;
      layer: number;
      expert: number;
      offset: number;
      reason: string;
    }
  /** The model gave a logit that is not a number, so that no token can be chosen. */
  | { code: "BAD_LOGITS"; token: number; value: number }
  /** A setting lies outside its range. */
  | { code: "BAD_SETTING"; setting: string; value: number; expected: string }
  /** Settings that do not go together. */
  | { code: "CONFLICTING_SETTINGS"; settings: string[] }
  /** A routing trace, or statistics of one, does not hold what its format says. */
  | { code: "BAD_TRACE"; path: string; problem: string }
  /** A trace could not be written in full; what had been written was removed. */
  | { code: "TRACE_NOT_WRITTEN"; path: string; reason: string }
  /** Rows of the experts have no length that a low-precision copy can have. */
  | { code: "NO_TWIN"; path: string; part: string; columns: number }
  /** A disk has no room for a file; nothing of it was left behind. */
  | { code: "DISK_FULL"; path: string; neededBytes: number }
  /** A file or folder cannot be written. */
  | { code: "UNWRITABLE"; path: string; reason: string }
  /** A text to measure on cannot be read, or holds too little. */
  | { code: "BAD_TEXT"; path: string; problem: string }
  /** A policy or predictor needs what nobody has given it. */
  | { code: "NOT_CALIBRATED"; who: string; need: string }
  /** A model's calibration file does not hold what its format says. */
  | { code: "BAD_CALIBRATION"; path: string; problem: string }
  /** The host tier's memory could not be allocated. Lower its budget. */
  | { code: "HOST_MEMORY_UNAVAILABLE"; sizeBytes: number }
  /** The threads that load experts gave up for another reason than the file. */
  | { code: "TRANSFER_FAILED"; reason: string }
  /** The thread that computes ended without a result. */
  | { code: "WORKER_DIED"; exitCode: number };

/** Any failure of this package. */
export class MoeError extends DomainError<MoeFailure> {}
