import type { GgufFile } from "@fmlab/ggml";
import { EXPERT_PARTS } from "../engine/interfaces.ts";
import type { ExpertRanges } from "./expert-table.ts";

/** Bytes of experts that lie in no file: read once, into host memory or slots. */
export interface ExpertContents {
  /** @param part  by its place in `EXPERT_PARTS`; `target` is as long as the part */
  read(key: number, part: number, target: Uint8Array): void;
}

/** The experts of what can be read like a file, though other threads cannot open it. */
export function contentsOf(file: GgufFile, layout: ExpertRanges): ExpertContents {
  return {
    read(key, part, target) {
      const name = EXPERT_PARTS[part];
      if (!name) throw new RangeError(`an expert has no part ${part}`);
      const { expertCount } = layout;
      const range = layout.range(Math.floor(key / expertCount), key % expertCount, name);
      file.read(range.offset, target);
    },
  };
}
