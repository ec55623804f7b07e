import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findCapabilities } from "../src/agent/capabilities.ts";
import { machineFacts } from "../src/reproduction/machine-facts.ts";
import { temporaryFolder } from "./fixtures/command.ts";

it("offers files and links to files inside, and no link that a run may not follow", async () => {
  const homeDir = temporaryFolder();
  const real = join(homeDir, "real");
  mkdirSync(join(real, "sub"), { recursive: true });
  // The folder itself may be reached by a link.
  const modelsDir = join(homeDir, "models");
  symlinkSync(real, modelsDir);
  writeFileSync(join(homeDir, "secret"), "s");
  writeFileSync(join(real, "good"), "g");
  writeFileSync(join(real, "sub/..odd"), "o");
  writeFileSync(join(real, "sub/deep"), "d");
  symlinkSync("../good", join(real, "sub/inside"));
  symlinkSync(join(homeDir, "secret"), join(real, "leak"));
  symlinkSync("../secret", join(real, "leak-relative"));
  symlinkSync("nothing", join(real, "dangling"));
  symlinkSync("sub", join(real, "folder"));
  const folders = { modelsDir, dataDir: undefined, homeDir };
  const { tags } = await findCapabilities(await machineFacts(), folders);
  expect(tags.filter((tag) => tag.startsWith("model:"))).toEqual([
    "model:good",
    "model:sub/deep",
    "model:sub/inside",
  ]);
});
