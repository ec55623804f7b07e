import { z } from "zod";
import { parseQuantity } from "./quantity.ts";

/** Labels or annotations; what is null on the wire is empty. */
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});

const quantities = z
  .record(
    z.string(),
    z
      .union([z.string(), z.number()])
      .transform(parseQuantity)
      .refine((value) => Number.isFinite(value) && value >= 0, "no quantity of at least 0"),
  )
  .nullish()
  .transform((value) => value ?? {});

const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((value) => value ?? []);

const metadata = z.object({
  name: z.string().min(1),
  namespace: z.string().default("default"),
  uid: z.string().default(""),
  resourceVersion: z.string().default(""),
  creationTimestamp: z.string().nullish(),
  deletionTimestamp: z.string().nullish(),
  labels: texts,
  annotations: texts,
  ownerReferences: list(
    z.object({ kind: z.string(), name: z.string(), controller: z.boolean().nullish() }),
  ),
});

const requirement = z.object({
  key: z.string(),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
  values: list(z.string()),
});
/** One expression of a node selector term. */
export type Requirement = z.output<typeof requirement>;

const selectorTerm = z.object({
  matchExpressions: list(requirement),
  matchFields: list(requirement),
});
/** Requirements that must all hold. */
export type SelectorTerm = z.output<typeof selectorTerm>;

const toleration = z.object({
  key: z.string().nullish(),
  operator: z.enum(["Exists", "Equal", "Lt", "Gt"]).nullish(),
  value: z.string().nullish(),
  effect: z.string().nullish(),
});

const container = z.object({
  image: z.string().default(""),
  restartPolicy: z.string().nullish(),
  resources: z.object({ requests: quantities }).nullish(),
  ports: list(
    z.object({
      hostPort: z.number().int().nullish(),
      protocol: z.string().nullish(),
      hostIP: z.string().nullish(),
    }),
  ),
});

const anyList = list(z.unknown());

const podSchema = z.object({
  metadata: metadata.extend({ uid: z.string().min(1) }),
  spec: z.object({
    schedulerName: z.string().default("default-scheduler"),
    nodeName: z.string().nullish(),
    priority: z.number().nullish(),
    nodeSelector: texts,
    tolerations: list(toleration),
    schedulingGates: anyList,
    containers: z.array(container).min(1),
    initContainers: list(container),
    overhead: quantities,
    resources: z.object({ requests: quantities }).nullish(),
    volumes: list(
      z.object({
        persistentVolumeClaim: z.unknown().optional(),
        ephemeral: z.unknown().optional(),
      }),
    ),
    resourceClaims: anyList,
    topologySpreadConstraints: list(z.object({ whenUnsatisfiable: z.string().nullish() })),
    affinity: z
      .object({
        nodeAffinity: z
          .object({
            requiredDuringSchedulingIgnoredDuringExecution: z
              .object({ nodeSelectorTerms: list(selectorTerm) })
              .nullish(),
          })
          .nullish(),
        podAffinity: z
          .object({ requiredDuringSchedulingIgnoredDuringExecution: anyList })
          .nullish(),
        podAntiAffinity: z
          .object({ requiredDuringSchedulingIgnoredDuringExecution: anyList })
          .nullish(),
      })
      .nullish(),
  }),
  status: z.object({ phase: z.string().default("Pending") }).nullish(),
});
/** The part of a pod that scheduling reads. */
export type PodObject = z.output<typeof podSchema>;

const nodeSchema = z.object({
  metadata,
  spec: z
    .object({
      unschedulable: z.boolean().nullish(),
      taints: list(z.object({ key: z.string(), value: z.string().nullish(), effect: z.string() })),
    })
    .nullish(),
  status: z
    .object({
      allocatable: quantities,
      conditions: list(z.object({ type: z.string(), status: z.string() })),
      images: list(z.object({ names: list(z.string()), sizeBytes: z.number().nullish() })),
    })
    .nullish(),
});
/** The part of a node that scheduling reads. */
export type NodeObject = z.output<typeof nodeSchema>;

/** What came of reading an object: the object, or why it is none. */
export type Read<T> = { value: T } | { problem: string };

/** Reads a pod from the wire. */
export function readPod(raw: unknown): Read<PodObject> {
  const parsed = podSchema.safeParse(raw);
  return parsed.success ? { value: parsed.data } : { problem: z.prettifyError(parsed.error) };
}

/** Reads a node from the wire. */
export function readNode(raw: unknown): Read<NodeObject> {
  const parsed = nodeSchema.safeParse(raw);
  return parsed.success ? { value: parsed.data } : { problem: z.prettifyError(parsed.error) };
}
