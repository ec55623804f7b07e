import type { BrainMetrics } from "../brain-metrics.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { type KubeApi, type PodRef, statusOf } from "./kube-api.ts";
import { type PodObject, readPod } from "./objects.ts";

/** How a binding ended. */
export type BindResult =
  /** The pod has a node, by the API's word. */
  | { kind: "bound"; node: string }
  /** The pod is not there any more. */
  | { kind: "gone" }
  /** The API refused; nothing was bound. */
  | { kind: "refused"; problem: string; retryAfterMs: number }
  /** Nothing answered: it may still be bound to this node, and must not be to another. */
  | { kind: "unanswered" };

/** What a binder needs. */
export interface BinderParts {
  api: KubeApi;
  metrics: BrainMetrics;
  time: Timekeeper;
  /** Wait before the API is asked again what became of a pod. */
  retryMs: number;
}

/**
 * Binds pods and finds out what became of a binding that was not plainly accepted: the API is asked
 * for the pod, and only its word counts. So a pod is never bound to a second node, whatever is lost
 * on the way.
 */
export class PodBinder {
  readonly #parts: BinderParts;

  constructor(parts: BinderParts) {
    this.#parts = parts;
  }

  /** Binds a pod; never rejects. */
  async bind(pod: PodObject, node: string, signal: AbortSignal): Promise<BindResult> {
    const { api, metrics, time } = this.#parts;
    const { namespace, name, uid } = pod.metadata;
    const ref = { namespace, name, uid };
    const startMs = time.nowMs();
    const result = await this.#send(api, ref, node, signal);
    metrics.binds.inc({ result: result.kind });
    metrics.bindSeconds.observe((time.nowMs() - startMs) / 1000);
    return result;
  }

  async #send(api: KubeApi, ref: PodRef, node: string, signal: AbortSignal): Promise<BindResult> {
    try {
      await api.bind(ref, node);
      return { kind: "bound", node };
    } catch (error) {
      const status = statusOf(error);
      const problem = error instanceof Error ? error.message : String(error);
      const isRefusal = status !== undefined && status >= 400 && status < 500;
      if (isRefusal && status !== 409 && status !== 404 && status !== 408) {
        return { kind: "refused", problem, retryAfterMs: 0 };
      }
      return this.#find(ref, { isRefusal, problem }, signal);
    }
  }

  /** Asks until there is an answer. */
  async #find(
    ref: PodRef,
    sent: { isRefusal: boolean; problem: string },
    signal: AbortSignal,
  ): Promise<BindResult> {
    const { api, time, retryMs } = this.#parts;
    for (let waitMs = retryMs; !signal.aborted; waitMs = Math.min(10_000, 2 * waitMs)) {
      try {
        const read = readPod(await api.getPod(ref));
        if ("value" in read) {
          if (read.value.metadata.uid !== ref.uid) return { kind: "gone" };
          const node = read.value.spec.nodeName ?? "";
          if (node !== "") return { kind: "bound", node };
          if (sent.isRefusal) return { kind: "refused", problem: sent.problem, retryAfterMs: 0 };
          return { kind: "unanswered" };
        }
      } catch (error) {
        if (statusOf(error) === 404) return { kind: "gone" };
      }
      await time.sleep(waitMs, signal);
    }
    return { kind: "unanswered" };
  }
}
