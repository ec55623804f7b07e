import { expect, KIND, test } from "./lab.ts";

test.beforeEach(async ({ page, lab }) => {
  await page.goto(`/p/${lab.projectId}/launch/${KIND}`);
  await expect(page.getByLabel("Max tokens")).toBeVisible();
});

test("says what is wrong as it is typed, and leads to it when Launch is pressed", async ({
  page,
}) => {
  const tokens = page.getByLabel("Max tokens");
  await tokens.fill("0");
  await expect(tokens).toHaveAttribute("aria-invalid", "true");
  await expect(page.locator("[data-problem=maxTokens]")).toHaveText("Must be at least 1");
  await expect(page.getByText("1 problem to mend")).toBeVisible();
  await tokens.fill("many");
  await expect(page.locator("[data-problem=maxTokens]")).toHaveText("Enter a number");
  await tokens.fill("");
  await expect(page.locator("[data-problem=maxTokens]")).toHaveText("Enter a value");

  await page.getByRole("button", { name: /^Launch/ }).click();
  await expect(tokens).toBeFocused();
  await expect(page).toHaveURL(/launch/);

  await tokens.fill("8");
  await expect(page.locator("[data-problem]")).toHaveCount(0);
  await expect(page.getByTestId("readiness")).toContainText("Can run on");
});

test("edits the same config as a form and as JSON", async ({ page }) => {
  await page.getByRole("tab", { name: "JSON" }).click();
  const json = page.getByLabel("Config as JSON");
  const config = JSON.parse(await json.inputValue()) as Record<string, unknown>;
  await json.fill(JSON.stringify({ ...config, maxTokens: 7, nonsense: 1 }));
  await expect(page.getByText("There is no field “nonsense”")).toBeVisible();
  await json.fill('{ "maxTokens": ');
  await expect(page.getByText("This is not valid JSON")).toBeVisible();
  await json.fill(JSON.stringify({ ...config, maxTokens: 7 }));
  await page.getByRole("tab", { name: "Form" }).click();
  await expect(page.getByLabel("Max tokens")).toHaveValue("7");
});

test("refuses a path outside the models folder with the server's reason", async ({ page }) => {
  await page.getByLabel("Model").fill("../secret.gguf");
  await expect(page.getByTestId("readiness")).toContainText("leaves its folder by ..");
  await page.getByRole("button", { name: /^Launch/ }).click();
  await expect(page.getByTestId("readiness")).toBeFocused();
  await page.getByLabel("Model").fill("not-there.gguf");
  await expect(page.getByText("not-there.gguf is on no machine")).toBeVisible();
});

test("refuses seeds that are none", async ({ page }) => {
  await page.getByRole("radio", { name: "List" }).check();
  await page.getByLabel(/Seeds and ranges/).fill("0-2, x");
  await expect(page.getByText("“x” is neither a seed nor a range")).toBeVisible();
  await page.getByLabel(/Seeds and ranges/).fill("0-2, 9");
  await expect(page.getByRole("button", { name: "Launch 4 runs" })).toBeEnabled();
});

test("saves a config as revisions, compares them and opens one again", async ({ page, lab }) => {
  const name = `saved-${Date.now()}`;
  const save = async (tokens: string, message: string) => {
    await page.getByLabel("Max tokens").fill(tokens);
    await page.getByRole("button", { name: "Save", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill(name);
    await dialog.getByLabel("What changed").fill(message);
    await dialog.getByRole("button", { name: "Save" }).click();
    await expect(dialog).toBeHidden();
  };
  await save("11", "first");
  await save("12", "one more token");
  await page.goto(`/p/${lab.projectId}/configs`);
  await page.getByRole("button", { name: new RegExp(name) }).click();
  const difference = page.getByRole("row", { name: /maxTokens/ });
  await expect(difference).toContainText("11");
  await expect(difference).toContainText("12");
  await page.getByRole("link", { name: "Launch revision 1" }).click();
  await expect(page.getByLabel("Max tokens")).toHaveValue("11");
});
