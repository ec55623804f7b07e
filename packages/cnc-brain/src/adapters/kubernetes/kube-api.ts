import type { CoreV1Event, V1Lease } from "@kubernetes/client-node";
import { AdapterError } from "../errors.ts";

/** A page of a list as it came over the wire; items are not looked at yet. */
export interface KubeList {
  items: unknown[];
  resourceVersion: string;
}

/** One line of a watch. */
export interface WatchLine {
  type: string;
  object: unknown;
}

/** Lists and watches that the scheduler follows. */
export type KubeResource = "pods" | "nodes";

/** What identifies a pod in calls. The uid keeps a new pod of the same name from being meant. */
export interface PodRef {
  namespace: string;
  name: string;
  uid: string;
}

/**
 * The calls to Kubernetes that the adapters make. Each rejects with `AdapterError` `API_FAILED`,
 * whose status tells a refusal from silence.
 */
export interface KubeApi {
  /** All items of a resource, page by page. */
  list(resource: KubeResource, signal: AbortSignal): Promise<KubeList>;
  /**
   * Follows a resource from a version on; ends when the server closes it.
   *
   * @param onLine each line, JSON or not
   */
  watch(
    resource: KubeResource,
    resourceVersion: string,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** The pod as the API has it now. */
  getPod(pod: PodRef): Promise<unknown>;
  bind(pod: PodRef, node: string): Promise<void>;
  createEvent(namespace: string, event: CoreV1Event): Promise<void>;
  /** Sets the condition PodScheduled to False. */
  markUnschedulable(pod: PodRef, message: string, atIso: string): Promise<void>;
  /** The lease; undefined when there is none. */
  getLease(namespace: string, name: string): Promise<V1Lease | undefined>;
  /** Creates a lease, or replaces it if its version is still the one it carries. */
  putLease(namespace: string, lease: V1Lease): Promise<V1Lease>;
}

/** The error for a call that was refused, or that nothing answered. */
export function apiFailed(
  what: string,
  status: number | undefined,
  message: string,
  retryAfterMs = 0,
): AdapterError {
  const answer = status === undefined ? "no answer" : `answered ${status}`;
  return new AdapterError(`${what}: ${answer}: ${message.slice(0, 500)}`, {
    code: "API_FAILED",
    what,
    status,
    retryAfterMs,
  });
}

/** Status of a refused call; undefined: silence, or no failure of the API. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof AdapterError) || error.failure.code !== "API_FAILED") return undefined;
  return error.failure.status;
}
