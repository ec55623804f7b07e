import { Counter, Gauge, Histogram } from "prom-client";
import { MetricsPage } from "../metrics-page.ts";

/** The gateway's metrics under OpenFaaS's own names, so that its dashboards and rules work. */
export class ProviderMetrics extends MetricsPage {
  readonly invocations = new Counter({
    name: "gateway_function_invocation_total",
    help: "Invocations by function and status.",
    labelNames: ["function_name", "code"] as const,
    registers: [this.registry],
  });
  readonly started = new Counter({
    name: "gateway_function_invocation_started",
    help: "Invocations begun, by function.",
    labelNames: ["function_name"] as const,
    registers: [this.registry],
  });
  readonly seconds = new Histogram({
    name: "gateway_functions_seconds",
    help: "Time of invocations, waiting included.",
    labelNames: ["function_name"] as const,
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [this.registry],
  });
  readonly replicas = new Gauge({
    name: "gateway_service_count",
    help: "Replicas by function.",
    labelNames: ["function_name"] as const,
    registers: [this.registry],
  });
}
