/** Max-min rates by raising all open flows together until a link is full; one link a round. */
export function naiveWaterFilling(
  paths: readonly (readonly number[])[],
  capacity: readonly number[],
): number[] {
  const rates = paths.map(() => 0);
  const isOpen = paths.map(() => true);
  while (isOpen.some(Boolean)) {
    let step = Number.POSITIVE_INFINITY;
    capacity.forEach((size, link) => {
      const on = paths.flatMap((path, i) => (path.includes(link) ? [i] : []));
      const open = on.filter((i) => isOpen[i]).length;
      const used = on.reduce((sum, i) => sum + (rates[i] as number), 0);
      if (open > 0) step = Math.min(step, (size - used) / open);
    });
    paths.forEach((_, i) => {
      if (isOpen[i]) rates[i] = (rates[i] as number) + step;
    });
    capacity.forEach((size, link) => {
      const on = paths.flatMap((path, i) => (path.includes(link) ? [i] : []));
      const used = on.reduce((sum, i) => sum + (rates[i] as number), 0);
      if (used >= size - 1e-9) {
        for (const i of on) isOpen[i] = false;
      }
    });
  }
  return rates;
}
