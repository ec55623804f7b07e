import { createRequire } from "node:module";

/** A stretch of memory of this process. */
export interface MemoryRegion {
  readonly address: bigint;
  readonly sizeBytes: number;
}

/** Regions gathered into few blocks. */
export interface RegionMap {
  /** Stretches that hold all regions, by rising address. */
  readonly blocks: readonly MemoryRegion[];
  /** By region: its block. Shared memory. */
  readonly block: Int32Array;
  /** By region: where it begins in its block. Shared memory. */
  readonly offset: Float64Array;
}

/**
 * Typed arrays of Node 20 hold at most 4 GiB; blocks stay below half of that unless one region is
 * larger.
 */
const BLOCK_BYTES_MAX = 2 ** 31;
/** Gaps up to this, by which regions are aligned, do not end a block: pages lie within one. */
const GAP_BYTES_MAX = 4096;

/**
 * Gathers regions that lie side by side, since a view of native memory costs some 220 bytes for
 * ever and must not be made for each load.
 *
 * @throws RangeError for a region that is none: a view of it would end the process
 */
export function gatherRegions(regions: readonly MemoryRegion[]): RegionMap {
  for (const { address, sizeBytes } of regions) {
    if (address > 0n && Number.isSafeInteger(sizeBytes) && sizeBytes > 0) continue;
    throw new RangeError(`${sizeBytes} bytes at address ${address} are no memory`);
  }
  const order = regions.map((_, i) => i);
  order.sort((a, b) => compare(regions[a]?.address ?? 0n, regions[b]?.address ?? 0n));
  const block = new Int32Array(new SharedArrayBuffer(4 * regions.length));
  const offset = new Float64Array(new SharedArrayBuffer(8 * regions.length));
  const blocks: { address: bigint; sizeBytes: number }[] = [];
  for (const i of order) {
    const region = regions[i];
    if (region === undefined) continue;
    let last = blocks.at(-1);
    const start = last === undefined ? 0 : Number(region.address - last.address);
    const fits =
      last !== undefined &&
      start <= last.sizeBytes + GAP_BYTES_MAX &&
      start + region.sizeBytes <= BLOCK_BYTES_MAX;
    if (last === undefined || !fits) {
      last = { address: region.address, sizeBytes: 0 };
      blocks.push(last);
    }
    const from = Number(region.address - last.address);
    last.sizeBytes = Math.max(last.sizeBytes, from + region.sizeBytes);
    block[i] = blocks.length - 1;
    offset[i] = from;
  }
  return { blocks, block, offset };
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Native memory as bytes; its owner must keep it until this thread is done with it. */
export class NativeMemory {
  #blocks: Uint8Array[];
  readonly #map: RegionMap;

  constructor(map: RegionMap) {
    this.#map = map;
    this.#blocks = map.blocks.map(({ address, sizeBytes }) => viewOf(address, sizeBytes));
  }

  /** Copies bytes to the start of a region. @throws RangeError beyond the block */
  write(region: number, bytes: Uint8Array): void {
    const block = this.#blocks[this.#map.block[region] ?? -1];
    if (block === undefined) throw new RangeError(`no memory for region ${region}`);
    block.set(bytes, this.#map.offset[region] ?? 0);
  }

  /** Bytes of a region, without a copy. */
  bytes(region: number, first: number, sizeBytes: number): Uint8Array {
    const block = this.#blocks[this.#map.block[region] ?? -1];
    const start = (this.#map.offset[region] ?? 0) + first;
    if (block === undefined || start + sizeBytes > block.length) {
      throw new RangeError(`region ${region} has no bytes ${first} to ${first + sizeBytes}`);
    }
    return block.subarray(start, start + sizeBytes);
  }

  /** Lets go of the memory: nothing here reaches it any more. */
  release(): void {
    this.#blocks = [];
  }
}

type Koffi = typeof import("koffi");

function koffi(): Koffi {
  return createRequire(import.meta.url)("koffi") as Koffi;
}

function viewOf(address: bigint, sizeBytes: number): Uint8Array {
  return new Uint8Array(koffi().view(address, sizeBytes));
}

/** Where the bytes of a buffer lie. They stay there while it is neither resized nor garbage. */
export function addressOf(buffer: ArrayBuffer): bigint {
  return koffi().address(buffer);
}
