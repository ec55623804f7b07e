/**
 * Seconds from clicking Launch to the first metric on the screen, in a real browser (CHROMIUM or
 * /usr/bin/chromium), with an idle local runner.
 *
 *     node --import tsx tooling/bench/launch.bench.ts [--json] [--rounds N]
 */
import { parseArgs } from "node:util";
import { chromium, type Page } from "playwright-core";
import { Product, waitFor } from "../product/product.ts";

const LIMIT_S = 3;
const KIND = "moe-offload.decode";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "10" },
  },
});
const seconds = await measure(Number(values.rounds));
report();

async function measure(rounds: number): Promise<number[]> {
  const product = new Product();
  await product.start();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
  try {
    const page = await browser.newPage({ baseURL: product.url });
    await page.goto("/");
    await page.getByRole("button", { name: "Continue as demo user" }).click();
    await page.getByRole("heading", { level: 1, name: "Getting started" }).waitFor();
    const taken: number[] = [];
    // Round 0 warms up the browser and the server's code, as a user's first click does.
    for (let round = 0; round <= rounds; round++) {
      taken.push(await launchOnce(page, product));
    }
    return taken.slice(1);
  } finally {
    await browser.close();
    await product.dispose();
  }
}

async function launchOnce(page: Page, product: Product): Promise<number> {
  await page.goto(`/p/${product.local.projectId}/launch/${KIND}?preset=quick`);
  await page.getByTestId("readiness").getByText("Can run on").waitFor();
  const button = page.getByRole("button", { name: "Launch 1 run" });
  await button.waitFor();
  const startedAt = performance.now();
  await button.click();
  await page.waitForURL(/\/runs\/[0-9a-f-]{36}$/);
  await page.locator("[data-metric]").filter({ hasText: /\d/ }).first().waitFor();
  const taken = (performance.now() - startedAt) / 1e3;
  const runId = page.url().split("/").at(-1) ?? "";
  // The next launch finds the runner idle again.
  await waitFor(
    async () => (await product.api.run.get.query({ runId })).state === "SUCCEEDED",
    60_000,
    "the run to succeed",
  );
  return taken;
}

function report(): void {
  const ours = Math.max(...seconds);
  const result = { name: "launch", ours, peer: LIMIT_S, ratio: ours / LIMIT_S };
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ ...result, unit: "s, slowest", seconds })}\n`);
    return;
  }
  const all = seconds.map((s) => s.toFixed(2)).join(" ");
  process.stdout.write(`launch: ${all} s; slowest ${ours.toFixed(2)} s, bar ${LIMIT_S} s\n`);
}
