import { expect, launch, test } from "./lab.ts";

const STREAM = /\/api\/trpc\/events\.stream/;

test("two tabs share one event stream, and the other tab takes over when the leading one closes", async ({
  page,
  lab,
}) => {
  const streams: string[] = [];
  page.context().on("request", (request) => {
    if (STREAM.test(request.url())) streams.push(request.url());
  });
  await page.goto(`/p/${lab.projectId}/runs`);
  await expect(page.locator("[data-live=live]")).toBeAttached();
  const second = await page.context().newPage();
  await second.goto(`/p/${lab.projectId}/runs`);
  await expect(second.locator("[data-live=live]")).toBeAttached();
  expect(streams).toHaveLength(1);

  // The second tab hears through the first one.
  const [heard = ""] = await launch(lab, { preset: "all-resident" });
  const row = (of: typeof page, runId: string) => of.locator(`tr[data-run="${runId}"]`);
  await expect(row(second, heard)).toBeVisible();
  await expect(row(page, heard)).toBeVisible();
  expect(streams).toHaveLength(1);

  await page.close();
  await expect.poll(() => streams.length).toBe(2);
  await expect(second.locator("[data-live=live]")).toBeAttached();
  const [after = ""] = await launch(lab, { preset: "all-resident" });
  await expect(row(second, after)).toBeVisible();
  await expect(row(second, after)).toContainText("Succeeded", { timeout: 60_000 });
  expect(streams).toHaveLength(2);
});

test("says when the event stream is down, polls meanwhile, and goes on when it is back", async ({
  page,
  lab,
}) => {
  await page.route(STREAM, (route) => route.abort());
  await page.goto(`/p/${lab.projectId}/runs`);
  await expect(page.getByText("Reconnecting…")).toBeVisible();
  const [runId = ""] = await launch(lab, { preset: "all-resident" });
  await expect(page.locator(`tr[data-run="${runId}"]`)).toBeVisible();
  await page.unroute(STREAM);
  await expect(page.locator("[data-live=live]")).toBeAttached({ timeout: 40_000 });
  await expect(page.getByText("Reconnecting…")).toBeHidden();
});

test("shows an error with a way to try again when the server fails, and then the page", async ({
  page,
  lab,
}) => {
  await page.route(/\/api\/trpc\/run\.list|\/api\/trpc\/.*run\.metricKeys/, (route) =>
    route.abort(),
  );
  await page.goto(`/p/${lab.projectId}/runs`);
  const again = page.getByRole("button", { name: "Try again" });
  await expect(again).toBeVisible({ timeout: 30_000 });
  await page.unrouteAll();
  await again.click();
  await expect(again).toBeHidden();
});
