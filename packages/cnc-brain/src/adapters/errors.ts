import { DomainError } from "@fmlab/experiment";

/** Failures of the adapters that a cluster, a machine or a wire can cause. */
export type AdapterFailure =
  /** The Kubernetes client library cannot be loaded by this Node. */
  | { code: "NO_KUBERNETES_CLIENT"; nodeVersion: string; reason: string }
  /** The kubeconfig names no cluster that can be reached. */
  | { code: "NO_CLUSTER"; reason: string }
  /** The Kubernetes API refused or did not answer; status undefined: no answer. */
  | { code: "API_FAILED"; what: string; status: number | undefined; retryAfterMs: number }
  /** A function's process did not become ready, or ended. */
  | { code: "PROCESS_FAILED"; functionName: string; problem: string }
  /** A document from outside does not hold what its format says. */
  | { code: "BAD_DOCUMENT"; what: string; problem: string };

/** Any failure of an adapter. */
export class AdapterError extends DomainError<AdapterFailure> {}

/** The error for a document that is not what its format says. */
export function badDocument(what: string, problem: string): AdapterError {
  return new AdapterError(`${what}: ${problem}`, { code: "BAD_DOCUMENT", what, problem });
}
