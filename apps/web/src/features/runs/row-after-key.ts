/** Where j and k (or the arrows) lead from a row; null for another key. */
export function rowAfterKey(key: string, from: number | null, count: number): number | null {
  if (count === 0) return null;
  const step = key === "j" || key === "ArrowDown" ? 1 : key === "k" || key === "ArrowUp" ? -1 : 0;
  if (step === 0) return null;
  if (from === null) return 0;
  return Math.min(count - 1, Math.max(0, from + step));
}
