import type { Page } from "@playwright/test";
import axeCore from "axe-core";
import { expect, finishedRun, KIND, type Lab, settled, test } from "./lab.ts";

declare global {
  var axe: typeof import("axe-core");
}

const SCREENS: [name: string, address: (lab: Lab, runId: string) => string][] = [
  ["home", () => "/"],
  ["experiments", (lab) => `/p/${lab.projectId}/launch`],
  ["launch form", (lab) => `/p/${lab.projectId}/launch/${KIND}`],
  ["runs", (lab) => `/p/${lab.projectId}/runs`],
  ["runs without a match", (lab) => `/p/${lab.projectId}/runs?q=nothing-is-called-this`],
  ["run", (lab, runId) => `/p/${lab.projectId}/runs/${runId}`],
  ["run log", (lab, runId) => `/p/${lab.projectId}/runs/${runId}?tab=log`],
  ["run config", (lab, runId) => `/p/${lab.projectId}/runs/${runId}?tab=config`],
  ["run record", (lab, runId) => `/p/${lab.projectId}/runs/${runId}?tab=record`],
  ["configs", (lab) => `/p/${lab.projectId}/configs`],
  ["machines", (lab) => `/org/${lab.organizationId}`],
  ["members", (lab) => `/org/${lab.organizationId}?tab=members`],
  ["tokens", (lab) => `/org/${lab.organizationId}?tab=tokens`],
  ["audit", (lab) => `/org/${lab.organizationId}?tab=audit`],
];

async function violations(page: Page, rules: string[] = []): Promise<string[]> {
  await page.evaluate(`globalThis.axe ?? ${axeCore.source}`);
  const found = await page.evaluate(async (runOnly) => {
    const { violations } = await globalThis.axe.run(document, {
      resultTypes: ["violations"],
      ...(runOnly.length > 0 && { runOnly }),
    });
    return violations.map(({ id, nodes }) => ({ id, html: nodes.map((node) => node.html) }));
  }, rules);
  return found.map(({ id, html }) => `${id}: ${html.map((h) => h.slice(0, 160)).join(" | ")}`);
}

/** Checks the page as it stands: all rules in light, and the one on colours again in dark. */
async function expectAccessible(page: Page, name = "the page"): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await expect(page.locator("html")).toHaveClass(new RegExp(`(^| )${colorScheme}( |$)`));
    const rules = colorScheme === "dark" ? ["color-contrast"] : [];
    expect.soft(await violations(page, rules), `${name} in ${colorScheme}`).toEqual([]);
  }
}

/** Checks that nothing is cut off or needs sideways scrolling on a phone. */
async function expectToFitPhone(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const width = () => page.evaluate(() => document.documentElement.scrollWidth);
  await expect.poll(width, `width of ${name}`).toBeLessThanOrEqual(390);
  if (before) await page.setViewportSize(before);
}

test("the welcome page has no accessibility violations in light or dark", async ({ page }) => {
  await page.goto("/");
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expectAccessible(page);
});

// One page walks through all screens: loading the site anew for each would take most of the time.
test("no screen has violations in light or dark, and each fits a phone", async ({ page, lab }) => {
  const runId = await finishedRun(lab);
  for (const [name, address] of SCREENS) {
    await test.step(name, async () => {
      await page.goto(address(lab, runId));
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await settled(page);
      await expectAccessible(page, name);
      await expectToFitPhone(page, name);
    });
  }
});

test("open menus, choosers and dialogs have no violations", async ({ page, lab }) => {
  await finishedRun(lab);
  await page.goto(`/p/${lab.projectId}/runs`);
  await expect(page.locator("tr[data-run]").first()).toBeVisible();
  await page.getByRole("button", { name: "State" }).first().click();
  await expect(page.getByRole("menu")).toBeVisible();
  await expectAccessible(page);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Columns" }).click();
  await expect(page.getByLabel("Search metrics")).toBeVisible();
  await expectAccessible(page);
  await page.goto(`/p/${lab.projectId}/launch/${KIND}`);
  await page.getByLabel("Max tokens").fill("0");
  await expect(page.locator("[data-problem]")).toBeVisible();
  await expectAccessible(page);
  await page.getByLabel("Max tokens").fill("8");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await expectAccessible(page);
});

test("pictures have a table with the same numbers", async ({ page, lab }) => {
  const runId = await finishedRun(lab);
  await page.goto(`/p/${lab.projectId}/runs/${runId}`);
  const pictures = ["Chosen experts", "Computing and loading", "metric Decode speed"];
  for (const title of pictures) {
    await page.getByRole("button", { name: `Show ${title} as a table`, exact: true }).click();
    const region = page.getByRole("region", { name: `${title}, table` });
    await expect(region.getByRole("row").nth(1)).toBeVisible();
  }
  expect(await violations(page)).toEqual([]);
});
