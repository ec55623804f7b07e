import type { inferRouterInputs, inferRouterOutputs } from "@trpc/server";
import type { AppRouter } from "./router/app-router.ts";

export type { Role } from "./access/roles.ts";
export type { TokenUse } from "./access/tokens.ts";
export type { ApiFailure } from "./errors.ts";
export type { RunEvent } from "./events/coalesce.ts";
export type { RunChange } from "./events/notify.ts";
export type { BucketedCurve, BucketPoint } from "./metrics/bucket-reader.ts";
export type { MetricCell, RunRow } from "./runs/run-row.ts";
export type { AppRouter };

/** What each procedure takes, e.g. `RouterInputs["run"]["create"]`. */
export type RouterInputs = inferRouterInputs<AppRouter>;
/** What each procedure gives back. */
export type RouterOutputs = inferRouterOutputs<AppRouter>;
