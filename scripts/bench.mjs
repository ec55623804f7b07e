#!/usr/bin/env node
// `npm run bench -- NAME [--json] [...]`: runs packages/*/bench/NAME.bench.ts (or apps/*, or
// tooling). Without a name it lists what there is. A trailing `*` runs all that match, in turn.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "..");
const rooms = ["packages", "apps"].flatMap((group) =>
  readdirSync(path.join(root, group)).map((name) => path.join(group, name)),
);
const benches = new Map(
  [...rooms, "tooling"].flatMap((room) => {
    const folder = path.join(root, room, "bench");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((file) => file.endsWith(".bench.ts"))
      .map((file) => [file.slice(0, -".bench.ts".length), path.join(folder, file)]);
  }),
);

const [wanted, ...rest] = process.argv.slice(2);
const chosen = [...benches.keys()].filter((name) =>
  wanted?.endsWith("*") ? name.startsWith(wanted.slice(0, -1)) : name === wanted,
);
if (chosen.length === 0) {
  const known = [...benches.keys()].sort().join("\n  ");
  console.error(`${wanted ? `no benchmark "${wanted}"; ` : ""}benchmarks are:\n  ${known}`);
  process.exit(wanted ? 2 : 0);
}
for (const name of chosen) {
  const args = ["--expose-gc", "--import", "tsx", benches.get(name), ...rest];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
