import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { type AccelerateWorkload, runAccelerate } from "../../bench/gpu/accelerate-rival.ts";
import { expertBytesBeyond } from "../../bench/gpu/contenders.ts";
import { expertsPattern } from "../../bench/gpu/device-llama.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-accelerate-"));
afterAll(() => rmSync(folder, { recursive: true }));

const WORKLOAD: AccelerateWorkload = {
  ...{ model: "mixtral-8x7b", layers: 4, batch: 2, prompt: 8, tokens: 3, rounds: 3 },
  vramBytes: 2 ** 30 + 0.5,
};

/** Node in place of Python: what counts is what is handed over and what comes back. */
function runScript(source: string) {
  const path = join(folder, "script.cjs");
  writeFileSync(path, source);
  return runAccelerate(process.execPath, WORKLOAD, path);
}

describe("a run of Accelerate", () => {
  it("is given the whole workload, and its last line is taken", () => {
    const said = runScript(
      'console.log("noise"); console.log(JSON.stringify({ card: process.argv.slice(2).join(" ") }))',
    );
    expect(said.card).toBe(
      "--model mixtral-8x7b --layers 4 --batch 2 --prompt 8 --tokens 3 --rounds 3 " +
        "--vram-bytes 1073741824",
    );
  });

  it("that fails says why", () => {
    expect(() => runScript('console.error("no card"); process.exit(2)')).toThrow(/with 2: no card/);
    expect(() => runScript('console.log("half a resul")')).toThrow(/no result but: half a resul/);
    expect(() => runAccelerate(join(folder, "no-python"), WORKLOAD)).toThrow(
      /name one by --python/,
    );
  });

  const script = fileURLToPath(new URL("../../bench/gpu/accelerate_offload.py", import.meta.url));
  const isUsable = spawnSync("python3", ["-c", "import torch"]).status;
  it.skipIf(isUsable !== 1)("without torch ends with what is missing", () => {
    expect(() => runAccelerate("python3", WORKLOAD, script)).toThrow(
      /ended with 2: accelerate_offload: torch cannot be imported.*--python/,
    );
  });

  it.skipIf(isUsable === null)(
    "refuses numbers that make no workload, before anything else",
    () => {
      const zero = { ...WORKLOAD, batch: 0 };
      expect(() => runAccelerate("python3", zero, script)).toThrow(
        /--batch 0; expected at least 1/,
      );
    },
  );
});

describe("experts that llama.cpp computes on the CPU", () => {
  it("are those of the first layers and no others", () => {
    const pattern = new RegExp(expertsPattern(11));
    const parts = ["up", "down", "gate"].map((part) => `ffn_${part}_exps.weight`);
    for (const part of parts) {
      for (const layer of [0, 1, 9, 10]) expect(`blk.${layer}.${part}`).toMatch(pattern);
      for (const layer of [11, 21, 100, 110]) expect(`blk.${layer}.${part}`).not.toMatch(pattern);
    }
    expect("blk.3.ffn_up_shexp.weight").not.toMatch(pattern);
    expect("blk.3.attn_q.weight").not.toMatch(pattern);
  });

  it("leave the bytes of the other layers on the card, dense ones not counted", () => {
    const layout = {
      expertCount: 8,
      classes: [
        { layers: [1, 3], expertBytes: 10 },
        { layers: [2], expertBytes: 7 },
      ],
    } as unknown as Parameters<typeof expertBytesBeyond>[0]["layout"];
    expect([0, 1, 2, 3, 4].map((layers) => expertBytesBeyond({ layout }, layers))).toEqual([
      8 * 27,
      8 * 27,
      8 * 17,
      8 * 10,
      0,
    ]);
  });
});
