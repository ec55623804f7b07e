import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RequiredFile } from "@fmlab/experiment";
import { beforeAll, describe, expect, it } from "vitest";
import { type FileRooms, resolveFile } from "../src/context/resolve-file.ts";
import { temporaryFolder } from "./fixtures/command.ts";

let root: string;
let rooms: FileRooms;
let open: FileRooms;

beforeAll(() => {
  root = realpathSync(temporaryFolder());
  for (const name of ["models/sub", "models-evil", "data", "scratch"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  writeFileSync(join(root, "secret"), "s");
  writeFileSync(join(root, "models/sub/m.gguf"), "m");
  writeFileSync(join(root, "models-evil/x"), "x");
  writeFileSync(join(root, "data/d.bin"), "d");
  symlinkSync(join(root, "secret"), join(root, "models/leak"));
  symlinkSync(join(root, "models-evil"), join(root, "models/evil"));
  symlinkSync(join(root, "models/sub/m.gguf"), join(root, "models/alias"));
  const dirs = { modelsDir: join(root, "models"), dataDir: join(root, "data") };
  rooms = { ...dirs, scratchDir: join(root, "scratch"), anyPath: false };
  open = { ...rooms, anyPath: true };
});

const failing = (path: string, from = rooms, required: RequiredFile[] = []) =>
  resolveFile(path, from, required).then(
    () => "no failure",
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  );

describe("a launched run's path", () => {
  it("is looked for in the models folder, then the data folder", async () => {
    expect(await resolveFile("sub/m.gguf", rooms)).toBe(join(root, "models/sub/m.gguf"));
    expect(await resolveFile("d.bin", rooms)).toBe(join(root, "data/d.bin"));
  });

  it.each(["../secret", "sub/../../secret", "/etc/passwd", "C:\\x", "a\\..\\..\\x", "", "x\0y"])(
    "is refused when it could leave its folder: %j",
    async (path) => {
      expect(await failing(path)).toMatch(/^FORBIDDEN_PATH/);
    },
  );

  it("is refused when a link leaves the folder, and taken when it does not", async () => {
    expect(await failing("leak")).toMatch(/^FORBIDDEN_PATH/);
    expect(await failing("evil/x")).toMatch(/^FORBIDDEN_PATH/);
    expect(await resolveFile("alias", rooms)).toBe(join(root, "models/alias"));
  });

  it("that is missing is told with the places, the source and the licence", async () => {
    const required: RequiredFile[] = [
      { path: "w.gguf", room: "data", source: "https://example.org", licence: "MIT" },
    ];
    const told = await failing("w.gguf", { ...rooms, dataDir: undefined }, required);
    expect(told).toMatch(/^MISSING_FILE.*the models folder/);
    expect(told).toContain("FMLAB_DATA_DIR is not set");
    expect(told).toContain("https://example.org (licence: MIT)");
    expect(told).not.toContain(root);
  });
});

describe("a path of exec", () => {
  it("may be anywhere", async () => {
    expect(await resolveFile(join(root, "secret"), open)).toBe(join(root, "secret"));
    expect(await resolveFile("leak", open)).toBe(join(root, "models/leak"));
  });
});
