import { type FunctionSpec, PLAIN_FUNCTION } from "../../simulator/specs.ts";
import type { PodObject } from "./objects.ts";

/** Amounts of resources by Kubernetes' name; `cpu` in cores, `memory` in bytes. */
export type Amounts = Readonly<Record<string, number>>;

/** Annotations and labels by which pods and nodes tell what Kubernetes has no field for. */
export const BRAIN_PREFIX = "cnc-brain.fmlab.dev/";

/** Resources that count as accelerators. */
export const ACCELERATORS = ["nvidia.com/gpu", "amd.com/gpu", "gpu.intel.com/i915"];

/** Bytes in a megabyte, the unit of memory here. */
const BYTES_PER_MB = 1e6;

/**
 * What a pod asks for: the sum over its containers, or the largest init container where that is
 * more; init containers that keep running (sidecars) count with those after them. A pod's own
 * requests replace the sum, and the overhead of its runtime class is added.
 *
 * @see kubernetes.io, Resource Management for Pods and Containers; Sidecar Containers
 */
export function requestsOf({ spec }: PodObject): Amounts {
  const total: Record<string, number> = {};
  const add = (amounts: Amounts) => {
    for (const [name, amount] of Object.entries(amounts)) {
      total[name] = (total[name] ?? 0) + amount;
    }
  };
  const sidecars: Record<string, number> = {};
  const peak: Record<string, number> = {};
  for (const { restartPolicy, resources } of spec.initContainers) {
    const requests = resources?.requests ?? {};
    for (const [name, amount] of Object.entries(requests)) {
      const withSidecars = amount + (sidecars[name] ?? 0);
      peak[name] = Math.max(peak[name] ?? 0, withSidecars);
      if (restartPolicy === "Always") sidecars[name] = withSidecars;
    }
  }
  for (const { resources } of spec.containers) add(resources?.requests ?? {});
  add(sidecars);
  for (const [name, amount] of Object.entries(peak)) {
    total[name] = Math.max(total[name] ?? 0, amount);
  }
  Object.assign(total, spec.resources?.requests ?? {});
  add(spec.overhead);
  return total;
}

/** Ports of the node that a pod takes, as `TCP/8080`. */
export function hostPortsOf({ spec }: PodObject): string[] {
  return spec.containers.flatMap(({ ports }) =>
    ports.flatMap(({ hostPort, protocol }) =>
      hostPort ? [`${protocol ?? "TCP"}/${hostPort}`] : [],
    ),
  );
}

/** What a pod needs that this scheduler does not weigh; such pods are refused, not misplaced. */
export function unsupportedOf({ spec }: PodObject): string[] {
  const { affinity, volumes, resourceClaims, topologySpreadConstraints } = spec;
  const has = (
    terms: { requiredDuringSchedulingIgnoredDuringExecution: unknown[] } | null = null,
  ) => (terms?.requiredDuringSchedulingIgnoredDuringExecution.length ?? 0) > 0;
  const needsVolume = volumes.some(
    ({ persistentVolumeClaim, ephemeral }) =>
      persistentVolumeClaim !== undefined || ephemeral !== undefined,
  );
  const isSpread = topologySpreadConstraints.some(
    ({ whenUnsatisfiable }) => whenUnsatisfiable !== "ScheduleAnyway",
  );
  return [
    ...(needsVolume ? ["persistent volume claims"] : []),
    ...(resourceClaims.length > 0 ? ["resource claims"] : []),
    ...(isSpread ? ["topology spread constraints that must hold"] : []),
    ...(has(affinity?.podAffinity ?? undefined) ? ["required pod affinity"] : []),
    ...(has(affinity?.podAntiAffinity ?? undefined) ? ["required pod anti-affinity"] : []),
  ];
}

/** Whether a pod has ended and takes nothing any more. */
export function isOver({ status }: PodObject): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** `namespace/name`. */
export function labelOf({ metadata }: PodObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** What kind of work a pod is: pods of one controller with equal requests are one function. */
export function functionOf(pod: PodObject): FunctionSpec {
  const { metadata, spec } = pod;
  const requests = requestsOf(pod);
  const owner = metadata.ownerReferences.find(({ controller }) => controller === true);
  const annotation = (name: string): string | undefined =>
    metadata.annotations[BRAIN_PREFIX + name] ?? metadata.labels[BRAIN_PREFIX + name];
  return {
    ...PLAIN_FUNCTION,
    name: `${metadata.namespace}/${owner?.name ?? metadata.labels.app ?? metadata.name}`,
    tenant: annotation("tenant") ?? metadata.namespace,
    kind: "job",
    cores: requests.cpu ?? 0,
    memoryMb: (requests.memory ?? 0) / BYTES_PER_MB,
    accelerators: ACCELERATORS.reduce((sum, name) => sum + (requests[name] ?? 0), 0),
    image: spec.containers[0]?.image ?? "",
    meanDurationMs: positive(annotation("duration-ms"), PLAIN_FUNCTION.meanDurationMs),
    sloMs: positive(annotation("slo-ms"), PLAIN_FUNCTION.sloMs),
    nodeSelector: spec.nodeSelector,
  };
}

/** A number above 0 from a text, or the default. */
export function positive(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value > 0 ? value : otherwise;
}
