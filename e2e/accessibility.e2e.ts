import type { Page } from "@playwright/test";
import axeCore from "axe-core";
import { expect, finishedRun, importRun, KIND, type Lab, settled, test } from "./lab.ts";

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

test("bars, points and bubbles of a synced run are read by key, and have no violations", async ({
  page,
  lab,
}) => {
  const { views } = await lab.query<{ views: { series: string; title: string }[] }>(
    "experiment.get",
    { projectId: lab.projectId, kind: KIND },
  );
  const [bars, points, bubbles] = views;
  if (!bars || !points || !bubbles) throw new Error(`${KIND} has fewer than three views`);
  const runId = await importRun(lab, [
    [bars.series, BARS],
    [points.series, POINTS],
    [bubbles.series, BUBBLES],
  ]);
  await page.goto(`/p/${lab.projectId}/runs/${runId}`);
  const picture = (title: string) => page.getByRole("region", { name: title, exact: true });
  await picture(bars.title).getByRole("group").focus();
  for (const key of ["ArrowRight", "ArrowRight", "ArrowDown"]) await page.keyboard.press(key);
  await expect(picture(bars.title)).toContainText("layer 1, Fate: 70 % (65 to 75)");
  await expect(picture(bars.title)).toContainText("read in the paper: section 5");
  await picture(bars.title).getByRole("button", { name: "Fate 70 %", exact: true }).click();
  await expect(picture(bars.title)).not.toContainText("layer 1, Fate");

  await picture(points.title).getByRole("group").focus();
  await page.keyboard.press("End");
  await expect(picture(points.title)).toContainText("memory 16 MiB, speed 31 tok/s, on the front");
  await picture(points.title).getByRole("button", { name: "Pareto front 2 of 3" }).click();

  const waits = picture(bubbles.title).getByRole("button", { name: "compute waits 3 ms, 30 %" });
  await waits.click();
  await expect(picture(bubbles.title)).toContainText("compute: no expert, stall, from 4 for 2 ms");
  await expectAccessible(page);
  for (const { title } of [bars, points, bubbles]) {
    await page.getByRole("button", { name: `Show ${title} as a table`, exact: true }).click();
  }
  await expect(page.getByRole("region", { name: `${points.title}, table` })).toContainText("yes");
  await expectToFitPhone(page, "a run with new pictures");
});

const BARS = {
  kind: "bars",
  categoryLabel: "layer",
  categories: ["0", "1", "2"],
  valueLabel: "hit rate",
  valueUnit: "%",
  groups: [
    { name: "LRU", values: [50, 55, null] },
    { name: "Fate", values: [60, 70, 80], low: [55, 65, 75], high: [65, 75, 85] },
  ],
  references: [{ name: "claim", value: 99, provenance: "paper", source: "section 5" }],
};

const POINTS = {
  kind: "scatter",
  x: { label: "memory", unit: "MiB", scale: "log", better: "lower" },
  y: { label: "speed", unit: "tok/s", better: "higher" },
  front: true,
  groups: [
    {
      name: "LRU",
      points: [
        { x: 2, y: 20 },
        { x: 4, y: 10 },
        { x: 16, y: 31 },
      ],
    },
  ],
};

const BUBBLES = {
  kind: "timeline",
  lanes: ["compute"],
  events: [
    { lane: 0, startMs: 0, endMs: 3, label: "layer 0", category: "experts" },
    { lane: 0, startMs: 3, endMs: 4, label: "no expert", category: "stall" },
    { lane: 0, startMs: 4, endMs: 6, label: "no expert", category: "stall" },
    { lane: 0, startMs: 6, endMs: 10, label: "layer 1", category: "experts" },
  ],
};
