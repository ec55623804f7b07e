import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, finishedRun, KIND, test } from "./lab.ts";

test("signs in as the demo user, launches the experiment by clicking and reads its result off the page", async ({
  page,
}) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("research platform");
  await page.getByRole("button", { name: "Continue as demo user" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Getting started");

  await page.getByRole("link", { name: "Launch Decode under an expert memory budget" }).click();
  await page.getByRole("radio", { name: /^Quick/ }).check();
  await expect(page.getByTestId("readiness")).toContainText("Can run on");
  await page.getByLabel("First seed").fill("41");
  await page.getByRole("button", { name: "Launch 1 run" }).click();

  await expect(page).toHaveURL(/\/runs\/[0-9a-f-]{36}$/);
  const runId = page.url().split("/").at(-1) ?? "";
  await expect(page.getByTestId("run-state")).toHaveText("Succeeded", { timeout: 60_000 });

  const speed = page.locator("[data-metric=decodeTokensPerSecond]");
  await expect(speed).toHaveText(/^[\d,.]+ tok\/s$/);
  expect(Number.parseFloat(await speed.innerText())).toBeGreaterThan(0);
  const text = page.getByTestId("generated-text").first();
  await expect(text).toContainText("The lamp in the lighthouse had burned every night");
  // The prompt is 104 characters long: what comes after it was generated.
  expect((await text.innerText()).length).toBeGreaterThan(150);
  await expect(page.getByText("emulated").first()).toBeVisible();
  for (const title of [
    "Chosen experts",
    "Computing and loading",
    "Time per token",
    "Metric Decode speed",
  ]) {
    await expect(page.getByRole("region", { name: title, exact: true }).first()).toBeVisible();
  }

  const told = await speed.innerText();
  await page.getByRole("link", { name: "Runs", exact: true }).first().click();
  const row = page.locator(`tr[data-run="${runId}"]`);
  await expect(row).toContainText("Succeeded");
  await expect(row).toContainText("41");
  await expect(row).toContainText(KIND);
  await expect(row).toContainText(told);
});

/** Of the link into fast memory; the disk has one too. */
function bandwidthOf(page: Page) {
  return page.getByRole("textbox", { name: "Bandwidth", description: /^Bandwidth into/ });
}

test("cancels a run while it runs, retries it and opens its clone in the form", async ({
  page,
  lab,
}) => {
  const { projectId } = lab;
  await page.goto(`/p/${projectId}/launch/${KIND}?preset=load-on-demand`);
  await bandwidthOf(page).fill("5");
  await expect(page.getByTestId("readiness")).toContainText("Can run on");
  await page.getByRole("button", { name: "Launch 1 run" }).click();
  await expect(page.getByTestId("run-state")).toHaveText("Running", { timeout: 30_000 });
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByTestId("run-state")).toHaveText("Cancelled", { timeout: 30_000 });
  await expect(page.getByText("The run was cancelled", { exact: true })).toBeVisible();

  const first = page.url();
  await page.getByRole("link", { name: "Clone and edit" }).click();
  await expect(bandwidthOf(page)).toHaveValue("5");
  await page.goBack();
  await expect(page).toHaveURL(first);
  await page.getByRole("button", { name: "Retry" }).click();
  await expect(page).not.toHaveURL(first);
  await page.getByRole("button", { name: "Cancel" }).click();
  await expect(page.getByTestId("run-state")).toHaveText("Cancelled", { timeout: 30_000 });
});

test("shows the log, the config and the machine of a run", async ({ page, lab }) => {
  const runId = await finishedRun(lab);
  await page.goto(`/p/${lab.projectId}/runs/${runId}`);
  await page.getByRole("tab", { name: "Log" }).click();
  const lines = page.getByRole("region", { name: "Log lines" }).getByRole("listitem");
  await expect(lines.first()).toBeVisible();
  const all = await lines.count();
  await page.getByLabel("Search the log").fill("prompt 1");
  await expect(page.getByText(/lines? found/)).toBeVisible();
  expect(await lines.count()).toBeLessThan(all);

  await page.getByRole("tab", { name: "Config" }).click();
  await expect(page).toHaveURL(/tab=config/);
  await expect(page.getByRole("region", { name: "Config as JSON" })).toContainText(
    '"policy": "lru"',
  );

  await page.getByRole("tab", { name: "Machine and record" }).click();
  const machine = page.getByRole("region", { name: "Machine", exact: true });
  await expect(machine).toContainText("CPU");
  await expect(page.getByText("tiny-story-moe.q8_0.gguf").first()).toBeVisible();

  const downloading = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download pipeline.trace.json" }).click();
  const file = await (await downloading).path();
  const { traceEvents } = JSON.parse(readFileSync(file, "utf8")) as { traceEvents: unknown[] };
  expect(traceEvents.length).toBeGreaterThan(10);
});
