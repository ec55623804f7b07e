import { Counter, Gauge, Histogram } from "prom-client";
import { MetricsPage } from "./metrics-page.ts";

/** Seconds from 10 us to 1 s: decisions and calls. */
const SECONDS = [1e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.5, 1];

/** What a running brain tells Prometheus; names carry their unit. */
export class BrainMetrics extends MetricsPage {
  readonly decisions = new Counter({
    name: "cnc_brain_decisions_total",
    help: "Decisions by scheduler and result.",
    labelNames: ["scheduler", "result"] as const,
    registers: [this.registry],
  });
  readonly decisionSeconds = new Histogram({
    name: "cnc_brain_decision_duration_seconds",
    help: "Time of one decision, rules included.",
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly fallbacks = new Counter({
    name: "cnc_brain_fallbacks_total",
    help: "Decisions that the fall-back made because the policy failed or broke the mask.",
    labelNames: ["reason"] as const,
    registers: [this.registry],
  });
  readonly binds = new Counter({
    name: "cnc_brain_binds_total",
    help: "Bindings by result.",
    labelNames: ["result"] as const,
    registers: [this.registry],
  });
  readonly bindSeconds = new Histogram({
    name: "cnc_brain_bind_duration_seconds",
    help: "Time of one binding, from the decision to the answer.",
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly watchEnds = new Counter({
    name: "cnc_brain_watch_ends_total",
    help: "Watches that ended, by resource and reason.",
    labelNames: ["resource", "reason"] as const,
    registers: [this.registry],
  });
  readonly malformed = new Counter({
    name: "cnc_brain_malformed_total",
    help: "Objects and requests from outside that could not be understood.",
    labelNames: ["source"] as const,
    registers: [this.registry],
  });
  readonly pending = new Gauge({
    name: "cnc_brain_pending",
    help: "Pods or requests that wait for a place.",
    registers: [this.registry],
  });
  readonly leads = new Gauge({
    name: "cnc_brain_leader",
    help: "1 while this process holds the lease.",
    registers: [this.registry],
  });
  readonly answers = new Counter({
    name: "cnc_brain_http_answers_total",
    help: "Answers by route and status.",
    labelNames: ["route", "status"] as const,
    registers: [this.registry],
  });
}
