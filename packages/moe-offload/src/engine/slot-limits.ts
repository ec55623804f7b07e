import { type DeviceKind, tensorTypeInfo } from "@fmlab/ggml";
import type { ExpertMatrix } from "../model/expert-layout.ts";
import { requireOption } from "./errors.ts";

/** Kernels of cards find a matrix among others by a signed 32-bit count of blocks. */
const CARD_BLOCKS_MAX = 2 ** 31 - 1;

/**
 * How many matrices one tensor of a device can hold for products with chosen ones; more are read
 * from where nothing lies.
 *
 * @param matrix  one of them
 * @param stacked  how many such matrices make up a slot
 */
export function slotsReached(matrix: ExpertMatrix, stacked: number, kind: DeviceKind): number {
  if (kind === "cpu") return Number.MAX_SAFE_INTEGER;
  const { columns, rows, type } = matrix;
  const blocks = (columns / tensorTypeInfo(type).blockElements) * rows * stacked;
  return Math.floor(CARD_BLOCKS_MAX / blocks);
}

/** @throws EngineError `BAD_OPTION` for more slots than a product reaches */
export function requireReached(slotCount: number, matrix: ExpertMatrix, kind: DeviceKind): void {
  const { columns, name, rows } = matrix;
  const each = `${name} matrix of ${columns} x ${rows}`;
  const most = slotsReached(matrix, 1, kind);
  requireOption(
    `slots of a card that counts blocks of each ${each} in 32 bits`,
    slotCount,
    1,
    most,
  );
}
