/** One place where two configs differ. */
export interface Difference {
  /** Dotted path, list items by index: `prompts.0`. */
  path: string;
  kind: "added" | "removed" | "changed";
  before: unknown;
  after: unknown;
}

/**
 * Where two configs differ, in the order of the newer one's fields; what only the older one has
 * comes at the end of its object. Objects and lists are compared field by field, all else by value.
 */
export function diffConfigs(before: unknown, after: unknown, path = ""): Difference[] {
  const [left, right] = [entriesOf(before), entriesOf(after)];
  if (left === null || right === null || Array.isArray(before) !== Array.isArray(after)) {
    return Object.is(before, after) ? [] : [{ path, kind: "changed", before, after }];
  }
  const names = [...new Set([...right.keys(), ...left.keys()])];
  return names.flatMap((name): Difference[] => {
    const at = path === "" ? name : `${path}.${name}`;
    if (!left.has(name)) {
      return [{ path: at, kind: "added", before: undefined, after: right.get(name) }];
    }
    if (!right.has(name)) {
      return [{ path: at, kind: "removed", before: left.get(name), after: undefined }];
    }
    return diffConfigs(left.get(name), right.get(name), at);
  });
}

function entriesOf(value: unknown): Map<string, unknown> | null {
  if (typeof value !== "object" || value === null) return null;
  return new Map(Object.entries(value));
}
