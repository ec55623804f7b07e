import { Registry } from "prom-client";

/** What Prometheus scrapes of a server. */
export class MetricsPage {
  readonly registry = new Registry();

  /** The page as it is now. */
  async text(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.registry.contentType, text: await this.registry.metrics() };
  }
}
