import { DomainError } from "@fmlab/experiment";

/** Failures of this package that a model file, a config or a machine can cause. */
export type MoeFailure =
  /** The file holds another kind of model than this package computes. */
  | { code: "UNSUPPORTED_ARCHITECTURE"; path: string; architecture: string; supported: string[] }
  /** The file names the right architecture, but its contents do not fit together. */
  | { code: "BAD_MODEL"; path: string; problem: string }
  /** The tokenizer of the file is of another kind than this package has. */
  | { code: "UNSUPPORTED_TOKENIZER"; path: string; found: string; supported: string[] }
  /** A token number lies outside the vocabulary. */
  | { code: "BAD_TOKEN"; token: number; vocabularySize: number }
  /** The expert memory is smaller than the policy needs. Raise the budget to `neededBytes`. */
  | { code: "BUDGET_TOO_SMALL"; policy: string; budgetBytes: number; neededBytes: number }
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
  /** The thread that computes ended without a result. */
  | { code: "WORKER_DIED"; exitCode: number };

/** Any failure of this package. */
export class MoeError extends DomainError<MoeFailure> {}
