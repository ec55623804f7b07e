import { parentPort, workerData } from "node:worker_threads";
import { openGguf } from "@fmlab/ggml";
import { openResident } from "./model.ts";

const { modelPath, threads, tokens } = workerData as {
  modelPath: string;
  threads: number;
  tokens: number;
};
const file = openGguf(modelPath);
const engine = openResident(file, { threads });
parentPort?.postMessage({ type: "started" });
const start = performance.now();
for (let i = 0; i < tokens; i++) {
  if (engine.position === engine.contextLength) engine.reset();
  engine.decode((i * 131 + 7) % engine.vocabularySize);
}
parentPort?.postMessage({ type: "done", seconds: (performance.now() - start) / 1000 });
engine.close();
file.close();
