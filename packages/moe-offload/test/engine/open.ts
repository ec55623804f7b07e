import { type GgufFile, openGguf } from "@fmlab/ggml";
import { MoeEngine } from "../../src/engine/engine.ts";
import type { EngineOptions, SlotPool } from "../../src/engine/interfaces.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { atOnce, residentSource, type SyncSource } from "./sources.ts";

/** Layers and experts of the shipped model; the tests know them, the engine reads them. */
export const LAYERS = 8;
export const EXPERTS = 32;

/** Opens an engine on the shipped model, all experts resident unless said otherwise. */
export function openEngine(
  options: Partial<EngineOptions> = {},
  source?: (file: GgufFile) => (pool: SlotPool) => SyncSource,
): MoeEngine {
  const file = openGguf(SHIPPED_MODEL);
  const from = source ? source(file) : residentSource(file, LAYERS, EXPERTS);
  const engine = MoeEngine.open(
    file,
    { slotCount: LAYERS * EXPERTS, threads: 1, ...options },
    (pool) => atOnce(from(pool)),
  );
  const close = engine.close.bind(engine);
  engine.close = () => {
    close();
    file.close();
  };
  return engine;
}

/** The same bits, which is more than equal numbers: -0 differs from 0. */
export function haveSameBits(a: Float32Array, b: Float32Array): boolean {
  const left = Buffer.from(a.buffer, a.byteOffset, a.byteLength);
  return left.equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength));
}

/** The largest difference of two rows. */
export function differenceMax(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((worst, value, i) => {
    const difference = Math.abs(value - (b[i] ?? 0));
    return difference <= worst ? worst : difference;
  }, 0);
}
