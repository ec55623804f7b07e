import type { ShapeName } from "../shapes/shape-names.ts";
import type { ScheduleName } from "../throughput/schedules.ts";

type Published = Partial<Record<ScheduleName, number>>;

/**
 * Klotski's ablation, tokens/s, at 16 bits: Mixtral 8x7B on an RTX 3090 (24 GB), 8x22B on an H800
 * (80 GB). On the 3090 it gives 0.01, 0.97, 1.127, 1.325 and 1.366 for 8x22B.
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, table 3
 */
const PUBLISHED: Partial<Record<ShapeName, Published>> = {
  "mixtral-8x7b": {
    "simple-pipeline": 5.721,
    "zig-zag": 18.24,
    "hot-prefetch": 19.074,
    klotski: 22.414,
    "klotski-q": 22.604,
  },
  "mixtral-8x22b": {
    "simple-pipeline": 1.149,
    "zig-zag": 34.07,
    "hot-prefetch": 44.17,
    klotski: 52.85,
    "klotski-q": 53.125,
  },
};

/** What the paper's table says of a schedule, tokens/s; undefined where it says nothing. */
export function publishedSpeed(shape: ShapeName, schedule: ScheduleName): number | undefined {
  return PUBLISHED[shape]?.[schedule];
}
