import { z } from "zod";

/**
 * Bodies of OpenFaaS's gateway and provider API.
 *
 * @see openfaas/faas api-docs/spec.openapi.yml 0.8.12; openfaas/faas-provider types
 */
const texts = z.record(z.string(), z.string()).nullish();
const resources = z.object({ memory: z.string().optional(), cpu: z.string().optional() }).nullish();

/** Names of functions, as the provider's routes have them. */
export const FUNCTION_NAME = /^[-a-zA-Z_0-9.]+$/;

/** What is deployed: body of POST and PUT /system/functions. */
export const functionDeployment = z.object({
  service: z.string().regex(FUNCTION_NAME),
  image: z.string().min(1),
  namespace: z.string().nullish(),
  envProcess: z.string().nullish(),
  envVars: texts,
  constraints: z.array(z.string()).nullish(),
  secrets: z.array(z.string()).nullish(),
  labels: texts,
  annotations: texts,
  limits: resources,
  requests: resources,
  readOnlyRootFilesystem: z.boolean().nullish(),
});
/** A function as it was asked for. */
export type FunctionDeployment = z.output<typeof functionDeployment>;

/** Body of DELETE /system/functions. */
export const deleteFunction = z.object({
  functionName: z.string().regex(FUNCTION_NAME),
  namespace: z.string().nullish(),
});

/** Body of POST /system/scale-function/{name}. */
export const scaleService = z.object({
  serviceName: z.string().optional(),
  namespace: z.string().nullish(),
  replicas: z.number().int().min(0),
});

/** Body of POST /system/alert, as AlertManager sends it. */
export const prometheusAlert = z.object({
  status: z.string(),
  alerts: z.array(
    z.object({
      status: z.string(),
      labels: z.object({ alertname: z.string(), function_name: z.string() }),
    }),
  ),
});

/** A function as it is: what GET /system/functions lists. */
export interface FunctionStatus {
  name: string;
  image: string;
  namespace: string;
  envProcess: string;
  envVars: Record<string, string>;
  constraints: string[];
  secrets: string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  limits?: { memory?: string | undefined; cpu?: string | undefined };
  requests?: { memory?: string | undefined; cpu?: string | undefined };
  readOnlyRootFilesystem: boolean;
  invocationCount: number;
  replicas: number;
  availableReplicas: number;
  createdAt: string;
  /** Millicores used since the last look, and bytes resident. */
  usage: { cpu: number; totalMemoryBytes: number };
}

/** Labels of OpenFaaS that say how a function scales. */
export const SCALE_LABELS = {
  min: "com.openfaas.scale.min",
  max: "com.openfaas.scale.max",
  factor: "com.openfaas.scale.factor",
  zero: "com.openfaas.scale.zero",
  zeroDuration: "com.openfaas.scale.zero-duration",
} as const;

/** How a function scales, by its labels; defaults of the gateway are 1 to 5 by 10 %. */
export interface ScaleRule {
  min: number;
  max: number;
  factor: number;
  /** Idle for so long it has no replica; undefined: it keeps its least. */
  zeroAfterMs: number | undefined;
}

/** Reads the labels; what is no number counts as absent. */
export function scaleRuleOf(
  labels: Readonly<Record<string, string>> | null | undefined,
): ScaleRule {
  const whole = (name: string, otherwise: number) => {
    const value = Number(labels?.[name]);
    return labels?.[name] !== undefined && Number.isInteger(value) && value >= 0
      ? value
      : otherwise;
  };
  const isZero = labels?.[SCALE_LABELS.zero] === "true";
  const min = whole(SCALE_LABELS.min, isZero ? 0 : 1);
  return {
    min,
    max: Math.max(min, whole(SCALE_LABELS.max, 5)),
    factor: whole(SCALE_LABELS.factor, 10),
    zeroAfterMs: isZero ? durationMs(labels?.[SCALE_LABELS.zeroDuration] ?? "15m") : undefined,
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration as Go writes it (`1h30m`, `500ms`); undefined for what is none. */
export function durationMs(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) return undefined;
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ""] ?? 0),
    0,
  );
}
