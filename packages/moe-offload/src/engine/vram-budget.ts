import { MoeError } from "../errors.ts";
import type { ModelDescription } from "../model/description.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { visibleStretch } from "./device/device-context.ts";
import type { ModelFile } from "./interfaces.ts";
import { COMPUTE_BYTES } from "./telling-vram.ts";

/** A model that shall live in part of a card's memory. */
export interface BudgetedModel {
  readonly file: ModelFile;
  readonly model: ModelDescription;
  readonly layout: ExpertLayout;
  /** Tokens that the cache shall hold. */
  readonly contextTokens: number;
}

const ROUTED = /^blk\.\d+\.ffn_(gate|up|down)_exps\./;
const EMBEDDING = "token_embd.weight";
/** Keys and values lie in half precision. */
const KV_ELEMENT_BYTES = 2;

/**
 * Bytes that are left for experts when no more than `vramBytes` of a card are used: what dense
 * weights, the cache of keys and values and scratch memory leave. The embedding is looked up on the
 * host, and lies on the card only where it is the head as well.
 *
 * @throws MoeError `BAD_SETTING` when not even the experts of one token fit
 */
export function expertBytesWithin(vramBytes: number, budgeted: BudgetedModel): number {
  const { contextTokens, layout, model } = budgeted;
  const keyBytes = model.headCountKv * model.headLength * KV_ELEMENT_BYTES;
  const parts = {
    weights: denseBytes(budgeted),
    cache: model.layerCount * 2 * keyBytes * visibleStretch(contextTokens),
    scratch: COMPUTE_BYTES,
  };
  const takenBytes = parts.weights + parts.cache + parts.scratch;
  const leastBytes = layout.expertUsedCount * layout.expertBytes;
  if (vramBytes >= takenBytes + leastBytes) return vramBytes - takenBytes;
  const told = Object.entries(parts).map(([name, bytes]) => `${name} ${mebibytes(bytes)}`);
  const needed = mebibytes(takenBytes + leastBytes);
  throw new MoeError(
    `vram is ${mebibytes(vramBytes)}; ${told.join(", ")} and the experts of one token need ` +
      `${needed}. Give more, or a shorter context.`,
    { code: "BAD_SETTING", setting: "vram", value: vramBytes, expected: `at least ${needed}` },
  );
}

function denseBytes({ file }: BudgetedModel): number {
  const isOnHost = (name: string) => name === EMBEDDING && file.tensors.has("output.weight");
  let bytes = 0;
  for (const [name, { sizeBytes }] of file.tensors) {
    if (!ROUTED.test(name) && !isOnHost(name)) bytes += sizeBytes;
  }
  return bytes;
}

/** Rounded up, so that whoever gives the size that is told gets by with it. */
const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
