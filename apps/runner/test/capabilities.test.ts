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
  writeFileSync(join(real, "good.gguf"), "g");
  writeFileSync(join(real, "sub/..odd.gguf"), "o");
  writeFileSync(join(real, "sub/deep.gguf"), "d");
  symlinkSync("../good.gguf", join(real, "sub/inside.gguf"));
  symlinkSync(join(homeDir, "secret"), join(real, "leak.gguf"));
  symlinkSync("../secret", join(real, "leak-relative.gguf"));
  symlinkSync("nothing", join(real, "dangling.gguf"));
  symlinkSync("sub", join(real, "folder"));
  writeFileSync(join(real, "README.md"), "no model");
  const folders = { modelsDir, dataDir: undefined, homeDir };
  const { tags } = await findCapabilities(await machineFacts(), folders);
  expect(tags.filter((tag) => tag.startsWith("model:"))).toEqual([
    "model:good.gguf",
    "model:sub/deep.gguf",
    "model:sub/inside.gguf",
  ]);
});
