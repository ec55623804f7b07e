import { workerData } from "node:worker_threads";
import type { ReaderInput } from "./lane-memory.ts";
import { runReader } from "./reader.ts";

runReader(workerData as ReaderInput);
