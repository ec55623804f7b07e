import { randomUUID } from "node:crypto";
import { expect, test } from "./lab.ts";

test("signs up, begins an organisation and is told how to add a machine", async ({ page }) => {
  await page.goto("/");
  await page.getByRole("button", { name: "New here? Create an account" }).click();
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Email").fill(`${randomUUID()}@example.test`);
  await page.getByLabel("Password").fill("a long password");
  await page.getByRole("button", { name: "Create account" }).click();

  await expect(page.getByText("You are in no organisation yet")).toBeVisible();
  await page.getByRole("button", { name: "New organisation" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Edge lab");
  await dialog.getByRole("button", { name: "Create organisation" }).click();

  await expect(page).toHaveURL(/\/p\/[0-9a-f-]{36}\/launch$/);
  await expect(page.getByText("Decode under an expert memory budget").first()).toBeVisible();
  await page.getByRole("link", { name: "Organisation", exact: true }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Edge lab");
  await expect(page.getByText("No machine has registered")).toBeVisible();
  await page.getByRole("tab", { name: "Audit" }).click();
  await expect(page.getByText("organization.create")).toBeVisible();
});
