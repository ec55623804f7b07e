import { z } from "zod";

/**
 * Bodies of a scheduler extender. Go's encoder writes fields without tags by their own names, so
 * they are capitalised, and empty slices and pointers are null.
 *
 * @see kubernetes/kube-scheduler extender/v1/types.go
 */
export const extenderArgs = z.object({
  Pod: z.unknown(),
  Nodes: z.object({ items: z.array(z.unknown()).nullish() }).nullish(),
  NodeNames: z.array(z.string()).nullish(),
});
/** What filter and prioritise are asked. */
export type ExtenderArgs = z.output<typeof extenderArgs>;

/** What bind is asked. */
export const extenderBindingArgs = z.object({
  PodName: z.string().min(1),
  PodNamespace: z.string().min(1),
  PodUID: z.string().min(1),
  Node: z.string().min(1),
});

/** What preempt is asked; victims by node, whole or by uid. */
export const extenderPreemptionArgs = z.object({
  Pod: z.unknown(),
  NodeNameToVictims: z
    .record(
      z.string(),
      z.object({
        Pods: z.array(z.object({ metadata: z.object({ uid: z.string() }) })).nullish(),
        NumPDBViolations: z.number().default(0),
      }),
    )
    .nullish(),
  NodeNameToMetaVictims: z
    .record(
      z.string(),
      z.object({
        Pods: z.array(z.object({ UID: z.string() })).nullish(),
        NumPDBViolations: z.number().default(0),
      }),
    )
    .nullish(),
});

/** Answer of filter. Of Nodes and NodeNames the one that was asked with is given back. */
export interface ExtenderFilterResult {
  Nodes: { kind: "NodeList"; apiVersion: "v1"; metadata: object; items: unknown[] } | null;
  NodeNames: string[] | null;
  /** Nodes that will not do now, with the reason. */
  FailedNodes: Record<string, string>;
  /** Nodes on which preempting other pods would not help. */
  FailedAndUnresolvableNodes: Record<string, string>;
  Error: string;
}

/** One entry of prioritise's answer; scores are whole numbers of 0 to 10. */
export interface HostPriority {
  Host: string;
  Score: number;
}

/** Highest score of an extender; Kubernetes multiplies it by the extender's weight. */
export const MAX_EXTENDER_PRIORITY = 10;
