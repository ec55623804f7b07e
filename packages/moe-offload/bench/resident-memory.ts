/** What a stretch of work left behind in the memory of this process. */
export interface MemoryGrowth {
  readonly startMiB: number;
  readonly endMiB: number;
  readonly growthMiB: number;
}

/**
 * The growth of this process's resident memory over `work`, after garbage is collected. Needs
 * `--expose-gc`, or garbage would count as growth.
 */
export function measureGrowth(work: () => void): MemoryGrowth {
  const startMiB = settledMiB();
  work();
  const endMiB = settledMiB();
  return { startMiB, endMiB, growthMiB: endMiB - startMiB };
}

function settledMiB(): number {
  if (!globalThis.gc) throw new Error("run node with --expose-gc to measure memory");
  for (let i = 0; i < 3; i++) globalThis.gc();
  return process.memoryUsage().rss / 2 ** 20;
}
