import type { Device } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";
import type { ExpertContents } from "./expert-contents.ts";
import { type ExpertTable, PART_COUNT } from "./expert-table.ts";
import { HostArena } from "./host-arena.ts";
import { HOST, HostDirectory, hostDirectoryLength } from "./host-directory.ts";
import type { HostMode } from "./host-rules.ts";
import { NativeMemory, type RegionMap } from "./native-memory.ts";

/** How host memory is used. */
export interface HostTierOptions {
  /** Every byte of expert storage in host memory; 0: none, experts come straight from disk. */
  budgetBytes: number;
  /**
   * `lru`: what was used last stays. `pinned`: what came first stays for good. `window`: the
   * experts of the current layer and the next ones stay, and those of the layer after are read
   * while layers compute. @see Klotski, ASPLOS'25, "adaptive tensor placement"
   */
  mode: HostMode;
  /**
   * Fills host memory at the start, past the links; in the order of `order`, by layer and expert
   * without it.
   */
  preload: boolean;
  /** Experts by falling worth (for `pinned`); all others follow by layer and expert. */
  order?: Iterable<number>;
  /** Where the first contents come from in place of files; they then stay. */
  contents?: ExpertContents;
}

/** No host tier. */
export const NO_HOST_TIER: HostTierOptions = { budgetBytes: 0, mode: "lru", preload: false };

/** What the reading threads get of the host tier. */
export interface HostTierPlan {
  mode: HostMode;
  slotCount: number;
  /** Layers in the window; the whole model for the other modes. */
  windowLayers: number;
  /** The places' memory. */
  map: RegionMap;
  /** Shared memory of the directory. */
  directory: Int32Array;
  /** Experts to load before the lane opens. Shared. */
  preload: Int32Array;
}

/** Host memory of one lane: the thread that opens the lane owns it, the reading threads use it. */
export class HostTier {
  readonly plan: HostTierPlan;
  /** Every expert lies here from the start. */
  readonly holdsAll: boolean;
  readonly #arena: HostArena;

  /**
   * Places are as large as the largest expert, so that any expert fits in any.
   *
   * @param card  what the experts go to from here, if it copies by itself
   * @throws MoeError `BAD_SETTING` for a window below two layers, `HOST_MEMORY_UNAVAILABLE`
   */
  constructor(table: ExpertTable, options: HostTierOptions, card?: Device) {
    const all = table.moeLayers.length * table.expertCount;
    // Places begin on cache lines.
    const slotBytes = Math.ceil(table.expertBytesMax / 64) * 64;
    const slotCount = Math.min(all, Math.floor(options.budgetBytes / slotBytes));
    const { mode } = options;
    const windowLayers =
      mode === "window" ? Math.floor(slotCount / table.expertCount) : table.moeLayers.length;
    const layerBytes = slotBytes * table.expertCount;
    checkBudget(options, windowLayers, mode === "window" ? 2 * layerBytes : slotBytes);
    const used = mode === "window" ? windowLayers * table.expertCount : slotCount;
    const directoryWords = hostDirectoryLength(used, table.keyCount);
    const directory = new Int32Array(new SharedArrayBuffer(4 * directoryWords));
    new HostDirectory(directory, used).prepare();
    this.#arena = new HostArena(used, slotBytes, card);
    const preload =
      options.preload && !options.contents ? preloadOrder(table, options.order).slice(0, used) : [];
    const shared = new Int32Array(new SharedArrayBuffer(4 * preload.length));
    shared.set(preload);
    const map = this.#arena.map;
    this.plan = { mode, slotCount: used, windowLayers, map, directory, preload: shared };
    this.holdsAll = options.contents !== undefined && used === all;
    if (options.contents) this.#fill(table, options.contents, options.order);
  }

  #fill(table: ExpertTable, contents: ExpertContents, order?: Iterable<number>): void {
    const { directory, map, slotCount } = this.plan;
    const places = new HostDirectory(directory, slotCount);
    const memory = new NativeMemory(map);
    for (const key of preloadOrder(table, order).slice(0, slotCount)) {
      if (places.ask(key, true, () => false) !== HOST.fill) continue;
      let offset = 0;
      for (let part = 0; part < PART_COUNT; part++) {
        const sizeBytes = table.sizesBytes[key * PART_COUNT + part] ?? 0;
        contents.read(key, part, memory.bytes(places.slot, offset, sizeBytes));
        offset += sizeBytes;
      }
      places.filled(places.slot);
      places.release(places.slot);
    }
    memory.release();
  }

  /** Gives the memory back. No thread may use it any more. */
  free(): void {
    this.#arena.free();
  }
}

function checkBudget(options: HostTierOptions, windowLayers: number, neededBytes: number): void {
  const least = options.mode === "window" ? 2 : 1;
  if (options.budgetBytes >= neededBytes && windowLayers >= least) return;
  const what = options.mode === "window" ? "two layers" : "one expert";
  const expected = `0, or at least ${neededBytes} for ${what}`;
  throw new MoeError(`host.budgetBytes is ${options.budgetBytes}, expected ${expected}.`, {
    code: "BAD_SETTING",
    setting: "host.budgetBytes",
    value: options.budgetBytes,
    expected,
  });
}

function preloadOrder(table: ExpertTable, order: Iterable<number> = []): number[] {
  const keys = new Set<number>();
  const isExpert = (key: number) => table.moeLayers.includes(Math.floor(key / table.expertCount));
  for (const key of order) if (isExpert(key)) keys.add(key);
  for (const layer of table.moeLayers) {
    for (let expert = 0; expert < table.expertCount; expert++) {
      keys.add(layer * table.expertCount + expert);
    }
  }
  return [...keys];
}
