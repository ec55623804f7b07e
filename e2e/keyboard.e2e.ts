import { expect, finishedRun, KIND, launch, test } from "./lab.ts";

test("walks the runs table with j and k, opens a run with Enter and searches with /", async ({
  page,
  lab,
}) => {
  await finishedRun(lab);
  await launch(lab, { preset: "all-resident" }, [1, 2]);
  await page.goto(`/p/${lab.projectId}/runs`);
  const rows = page.locator("tr[data-run]");
  await expect(rows.nth(2)).toBeVisible();
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  await page.keyboard.press("j");
  const selected = page.locator("tr[aria-selected=true]");
  await expect(selected).toHaveCount(1);
  await expect(selected).toHaveAttribute("aria-rowindex", "3");
  const runId = await selected.getAttribute("data-run");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(new RegExp(`/runs/${runId}$`));

  await page.goBack();
  await expect(rows.first()).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByLabel("Search runs")).toBeFocused();
  await page.keyboard.type("quick");
  await expect(page).toHaveURL(/q=quick/);
  await expect(rows.first()).toContainText("quick");
  await expect(page.locator("tr[data-run]").filter({ hasText: "all-resident" })).toHaveCount(0);
  await page.reload();
  await expect(page.getByLabel("Search runs")).toHaveValue("quick");
});

test("launches without a mouse", async ({ page, lab }) => {
  await page.goto(`/p/${lab.projectId}/launch/${KIND}?preset=all-resident`);
  const tokens = page.getByLabel("Max tokens");
  await expect(tokens).toBeVisible();
  await tokens.focus();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("8");
  await page.keyboard.press("ArrowUp");
  await expect(tokens).toHaveValue("9");
  await expect(page.getByTestId("readiness")).toContainText("Can run on");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/runs\/[0-9a-f-]{36}$/);
  await expect(page.getByTestId("run-state")).toHaveText("Succeeded", { timeout: 60_000 });
});

test("reads pictures off with the arrow keys", async ({ page, lab }) => {
  const runId = await finishedRun(lab);
  await page.goto(`/p/${lab.projectId}/runs/${runId}`);
  const heatmap = page.getByRole("group", { name: /^Chosen experts/ });
  await heatmap.focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await expect(page.getByText(/^layer 1, expert 1: \d/)).toBeVisible();

  const timeline = page.getByRole("group", { name: /^Computing and loading/ });
  await timeline.focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByText(/, from [\d.]+ for [\d.]+ ms$/)).toBeVisible();
  await page.keyboard.press("+");
  await expect(page.getByRole("button", { name: "Show all" }).first()).toBeVisible();
});

test("skips to the content", async ({ page, lab }) => {
  await page.goto(`/p/${lab.projectId}/runs`);
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("link", { name: "Skip to the content" })).toBeFocused();
});
