import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { createRunContext } from "../context/run-context.ts";
import { experimentOf, loadExperiments } from "../experiments.ts";
import { costsFile, machineFolders } from "../repository.ts";
import { machineFacts } from "../reproduction/machine-facts.ts";
import { EXIT } from "./exit-code.ts";
import { columns, note, out, outJson } from "./terminal.ts";

/** The experiment that measures; the command keeps what it finds. */
const CALIBRATE_KIND = "shard-chain.calibrate";

const summarySchema = z.object({
  cpuModel: z.string(),
  nodeVersion: z.string(),
  costsMs: z.record(z.string(), z.number().nonnegative()),
});

/**
 * `fmlab calibrate`: measures what validators' operations cost on this machine and keeps the table
 * in the state folder, where runs find it and record it.
 */
export async function calibrateCommand({ json }: { json: boolean }): Promise<number> {
  if (!json) note("measuring; let nothing else run meanwhile");
  const measured = summarySchema.parse(await measure());
  const kept = { ...measured, measuredOn: new Date().toISOString().slice(0, 10) };
  const file = costsFile(machineFolders());
  mkdirSync(dirname(file), { recursive: true });
  // Runs may read it meanwhile: they see the old table or the new one.
  writeFileSync(`${file}.new`, `${JSON.stringify(kept, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
  if (json) outJson(kept);
  else {
    const rows = Object.entries(kept.costsMs).map(
      ([operation, ms]) => [operation, `${(1_000 * ms).toFixed(2)} µs`] as const,
    );
    out(columns(rows));
    out(`Kept in ${file}`);
  }
  return EXIT.success;
}

/** Runs the experiment in this process; nothing else of it is kept. */
async function measure(): Promise<unknown> {
  const definition = experimentOf(await loadExperiments(), CALIBRATE_KIND);
  const { modelsDir, dataDir } = machineFolders();
  const scratchDir = mkdtempSync(join(tmpdir(), "fmlab-calibrate-"));
  const controller = new AbortController();
  const startMs = performance.now();
  try {
    const module = await definition.load();
    const ctx = createRunContext({
      definition,
      seed: 0,
      signal: controller.signal,
      machine: await machineFacts(),
      rooms: { modelsDir, dataDir, scratchDir, anyPath: true },
      requiredFiles: [],
      stagingDir: scratchDir,
      nowMs: () => performance.now() - startMs,
      onFile: () => {},
      emit: () => {},
    });
    return await module.run(ctx, {});
  } finally {
    rmSync(scratchDir, { recursive: true, force: true });
  }
}
