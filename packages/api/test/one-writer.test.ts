import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const source = path.resolve(import.meta.dirname, "../src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => ({ name, text: readFileSync(path.join(source, name), "utf8") }));

it("only queue/apply-event.ts changes the state of a run or attempt", () => {
  const writers = files.filter(
    ({ text }) =>
      /\bstate = \$\{/.test(text) ||
      /(UPDATE (run|attempt)\b[^`]*\bSET\b[^`]*\bstate\s*=)/i.test(text) ||
      /\.(run|attempt)\.(update|updateMany|upsert)\(\{[^)]*\bstate\b/s.test(text),
  );
  expect(writers.map((f) => f.name)).toEqual(["queue/apply-event.ts"]);
});

it("every procedure has a file of its own, and is in the router", () => {
  const procedures = files.filter(
    ({ name }) => name.startsWith("router/") && name !== "router/app-router.ts",
  );
  const router = files.find((f) => f.name === "router/app-router.ts")?.text ?? "";
  for (const { name, text } of procedures) {
    expect(text.match(/\.(query|mutation|subscription)\(/g) ?? [], name).toHaveLength(1);
    expect(router).toContain(`"./${name.slice("router/".length)}"`);
  }
});
