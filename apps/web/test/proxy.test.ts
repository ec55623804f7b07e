import { NextRequest } from "next/server";
import { describe, expect, it } from "vitest";
import { proxy } from "../src/proxy.ts";

const ask = (path: string) => proxy(new NextRequest(`http://127.0.0.1:3000${path}`))?.status;

describe("an address under /api", () => {
  it.each(["/api/artifacts/%ff", "/api/artifacts/a/1/%e0%a4", "/api/artifacts/x%2"])(
    "whose escapes are no text leads nowhere: %s",
    (path) => {
      expect(ask(path)).toBe(404);
    },
  );

  it.each(["/api/artifacts/a%20b", "/api/artifacts/%C3%A9", "/api/health?x=%ff"])(
    "whose escapes are text is passed on: %s",
    (path) => {
      expect(ask(path)).toBeUndefined();
    },
  );
});
