/** A step into a config: a property or a list index. */
export type Path = readonly (string | number)[];

/** The value at a path; undefined where the path leads nowhere. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

/** A copy with another value at a path; nothing else is copied than what lies on it. */
export function withValue(value: unknown, path: Path, next: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return next;
  if (Array.isArray(value) || typeof step === "number") {
    const copy = Array.isArray(value) ? [...value] : [];
    copy[Number(step)] = withValue(copy[Number(step)], rest, next);
    return copy;
  }
  const copy = { ...(typeof value === "object" && value !== null ? value : {}) } as Record<
    string,
    unknown
  >;
  copy[step] = withValue(copy[step], rest, next);
  return copy;
}

/** A copy of a list without one of its items. */
export function withoutItem(list: unknown, index: number): unknown[] {
  return Array.isArray(list) ? list.filter((_, i) => i !== index) : [];
}

/**
 * What a number field's text means: a number, or the text itself when it is none, so that
 * validation can say what is wrong with it.
 */
export function parseNumberText(typed: string): number | string {
  const trimmed = typed.trim();
  if (trimmed === "") return "";
  const value = Number(trimmed.replaceAll(/[\s_](?=\d{3})/g, ""));
  return Number.isFinite(value) ? value : typed;
}

/** Configs are JSON, so their JSON says whether two are the same. */
export function isSameConfig(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, child: unknown) =>
    typeof child === "object" && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  );
}
