import type { BrainMetrics } from "./brain-metrics.ts";
import type { HttpService } from "./http-service.ts";

/** Adds what every server here tells of itself: `/healthz`, `/readyz` and `/metrics`. */
export function addObservation(
  service: HttpService,
  metrics: BrainMetrics,
  isReady: () => boolean,
): void {
  service
    .on("GET", "/healthz", () => ({ status: 200, body: "ok" }))
    .on("GET", "/readyz", () =>
      isReady() ? { status: 200, body: "ok" } : { status: 503, body: "not ready" },
    )
    .on("GET", "/metrics", async () => {
      const { contentType, text } = await metrics.text();
      return { status: 200, headers: { "content-type": contentType }, body: text };
    });
}
