import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, finishedRun, KIND, type Lab, settled, test } from "./lab.ts";

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

async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page }).analyze();
  return found.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
  );
}

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in ${colorScheme}`, () => {
    test.use({ colorScheme });

    test("the welcome page has no accessibility violations", async ({ page }) => {
      await page.goto("/");
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      expect(await violations(page)).toEqual([]);
    });

    for (const [name, address] of SCREENS) {
      test(`the screen “${name}” has no accessibility violations`, async ({ page, lab }) => {
        const runId = await finishedRun(lab);
        await page.goto(address(lab, runId));
        await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
        await settled(page);
        expect(await violations(page)).toEqual([]);
      });
    }
  });
}

test("pictures have a table with the same numbers", async ({ page, lab }) => {
  const runId = await finishedRun(lab);
  await page.goto(`/p/${lab.projectId}/runs/${runId}`);
  for (const title of ["Chosen experts", "Computing and loading", "Decode speed"]) {
    await page.getByRole("button", { name: `Show ${title} as a table` }).click();
    const table = page.getByRole("region", { name: `${title}, table` }).getByRole("table");
    await expect(table.getByRole("row").nth(1)).toBeVisible();
  }
  expect(await violations(page)).toEqual([]);
});

test("nothing is wider than a phone", async ({ page, lab }) => {
  const runId = await finishedRun(lab);
  await page.setViewportSize({ width: 390, height: 844 });
  for (const [name, address] of SCREENS) {
    await page.goto(address(lab, runId));
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await settled(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(width, name).toBeLessThanOrEqual(390);
  }
});
