/** Evaluates prompts of the lengths given, in one engine: logits as JSON, one line a prompt. */
import { ALL_RESIDENT, openBenchFile, openOn } from "../../bench/gpu/open-model.ts";
import { DEVICES } from "../../src/engine/device/device-names.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const [, , wanted, lengths = ""] = process.argv;
const device = DEVICES.find((name) => name === wanted);
if (!device) throw new Error(`${wanted} is none of ${DEVICES.join(", ")}`);
const model = openBenchFile(SHIPPED_MODEL);
const opened = openOn(model, { device, contextLength: 64, strategy: ALL_RESIDENT });
for (const length of lengths.split(",").map(Number)) {
  opened.engine.reset();
  const prompt = Int32Array.from({ length }, (_, i) => 1 + i * 37);
  process.stdout.write(`${JSON.stringify(Array.from(opened.engine.prefill(prompt)))}\n`);
}
opened.close();
model.file.close();
