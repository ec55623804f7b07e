/**
 * Readers of published routing statistics: how often each expert was chosen, which experts follow
 * each other across layers, and an order of popularity. Formats and their biases: the readme beside
 * the data. Every number is checked before it is used.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { badTrace } from "./trace.ts";

const GET_AGAIN = "Get the file again from its source.";
/** None of the files comes near it. */
const UNPACKED_BYTES_MAX = 2 ** 28;

/** Selections of each expert, counted over many tokens. */
export interface ExpertCounts {
  readonly model: string;
  /** Layers that were counted, ascending. */
  readonly layers: readonly number[];
  readonly expertCount: number;
  /** Experts a token; from the sets, where one counts first choices only. */
  readonly expertUsedCount: number;
  /** By set and domain: one row a layer, `[layers][expertCount]`. */
  readonly sets: ReadonlyMap<string, ReadonlyMap<string, readonly Float64Array[]>>;
}

/** Pairs of experts that a token used in two layers, matched by their rank. */
export interface CrossLayerCounts {
  readonly model: string;
  readonly pairs: readonly (readonly [from: number, to: number])[];
  readonly expertCount: number;
  /** By set and domain: one matrix a pair, row-major `[from expert][to expert]`. */
  readonly sets: ReadonlyMap<string, ReadonlyMap<string, readonly Float64Array[]>>;
}

/** All (layer, expert) pairs of a model, most popular first. */
export interface PopularityOrder {
  readonly model: string;
  readonly layerCount: number;
  readonly expertCount: number;
  readonly order: readonly (readonly [layer: number, expert: number])[];
}

/** Name of the set that counts all k choices of a token, and of that which counts the first. */
export const ALL_CHOICES = "expert_counts";
const FIRST_CHOICES = "expert_counts_top1";

/** Reads a file of expert counts. @throws MoeError `BAD_TRACE` */
export function readExpertCounts(path: string): ExpertCounts {
  const json = readObject(path);
  const layers = numbersOf(json.layers, path, "layers");
  const ascends = layers.every((layer, i) => i === 0 || layer > (layers[i - 1] ?? 0));
  if (layers.length === 0 || !ascends) throw bad(path, "its layers do not ascend");
  let expertCount = 0;
  const sets = readSets(json.counts, path, (value, where) => {
    const rows = matrixOf(value, path, where);
    expertCount ||= rows[0]?.length ?? 0;
    const sums = rows.map(sumOf);
    const fits = rows.length === layers.length && rows.every((row) => row.length === expertCount);
    if (!fits || sums.some((sum) => sum !== sums[0] || sum === 0)) {
      const size = `${layers.length} rows of ${expertCount}`;
      throw bad(path, `${where} is not ${size} with equal sums above 0`);
    }
    return rows;
  });
  const all = sets.get(ALL_CHOICES);
  if (all === undefined || all.size === 0) throw bad(path, `it has no set ${ALL_CHOICES}`);
  const expertUsedCount = usedCount(all, sets.get(FIRST_CHOICES), path);
  return { model: textOf(json.model, path), layers, expertCount, expertUsedCount, sets };
}

/** Reads a file of pairs across layers. @throws MoeError `BAD_TRACE` */
export function readCrossLayerCounts(path: string): CrossLayerCounts {
  const json = readObject(path);
  const pairs = listOf(json.pairs, path, "pairs").map((pair) => {
    const [from, to, ...rest] = numbersOf(pair, path, "a pair");
    if (from === undefined || to === undefined || rest.length > 0 || from >= to) {
      throw bad(path, "a pair is not an earlier and a later layer");
    }
    return [from, to] as const;
  });
  let expertCount = 0;
  const sets = readSets(json.counts, path, (value, where) => {
    const matrices = listOf(value, path, where);
    if (matrices.length !== pairs.length) {
      throw bad(path, `${where} has ${matrices.length} matrices for ${pairs.length} pairs`);
    }
    return matrices.map((matrix) => {
      const rows = matrixOf(matrix, path, where);
      expertCount ||= rows.length;
      if (rows.length !== expertCount || rows.some((row) => row.length !== expertCount)) {
        throw bad(path, `${where} is not ${expertCount} by ${expertCount}`);
      }
      return Float64Array.from(rows.flatMap((row) => [...row]));
    });
  });
  return { model: textOf(json.model, path), pairs, expertCount, sets };
}

/** Reads an order of popularity. @throws MoeError `BAD_TRACE` */
export function readPopularityOrder(path: string): PopularityOrder {
  const json = readObject(path);
  const order = listOf(json.layer_expert, path, "layer_expert").map((pair) => {
    const [layer, expert, ...rest] = numbersOf(pair, path, "layer_expert");
    if (layer === undefined || expert === undefined || rest.length > 0) {
      throw bad(path, "an entry of layer_expert is not a layer and an expert");
    }
    return [layer, expert] as const;
  });
  const layerCount = 1 + Math.max(-1, ...order.map(([layer]) => layer));
  const expertCount = 1 + Math.max(-1, ...order.map(([, expert]) => expert));
  const different = new Set(order.map(([layer, expert]) => layer * expertCount + expert));
  if (different.size !== layerCount * expertCount || order.length !== different.size) {
    throw bad(path, `it does not list ${layerCount} x ${expertCount} pairs once each`);
  }
  return { model: textOf(json.model, path), layerCount, expertCount, order };
}

/** Experts a token: how often the sum of all choices is the sum of first choices. */
function usedCount(
  all: ReadonlyMap<string, readonly Float64Array[]>,
  first: ReadonlyMap<string, readonly Float64Array[]> | undefined,
  path: string,
): number {
  const ratios = [...all].flatMap(([domain, rows]) => {
    const firstRow = first?.get(domain)?.[0];
    const row = rows[0];
    return firstRow && row ? [sumOf(row) / sumOf(firstRow)] : [];
  });
  const [used] = ratios;
  if (used === undefined || !Number.isInteger(used) || ratios.some((ratio) => ratio !== used)) {
    throw bad(path, `all choices are not a whole multiple of first choices (${ratios.join(", ")})`);
  }
  return used;
}

function readObject(path: string): Record<string, unknown> {
  try {
    const bytes = readFileSync(path);
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const text = isGzip ? gunzipSync(bytes, { maxOutputLength: UNPACKED_BYTES_MAX }) : bytes;
    return objectOf(JSON.parse(text.toString("utf8")), path, "the file");
  } catch (error) {
    if (error instanceof Error && "failure" in error) throw error;
    throw bad(path, `it cannot be read (${(error as Error).message})`);
  }
}

function readSets<T>(counts: unknown, path: string, read: (value: unknown, where: string) => T) {
  const sets = new Map<string, Map<string, T>>();
  for (const [set, domains] of Object.entries(objectOf(counts, path, "counts"))) {
    const byDomain = new Map<string, T>();
    for (const [domain, value] of Object.entries(objectOf(domains, path, set))) {
      byDomain.set(domain, read(value, `${set}.${domain}`));
    }
    sets.set(set, byDomain);
  }
  return sets;
}

function objectOf(value: unknown, path: string, where: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw bad(path, `${where} is not an object`);
}

function listOf(value: unknown, path: string, where: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw bad(path, `${where} is not a list`);
}

function numbersOf(value: unknown, path: string, where: string): number[] {
  return listOf(value, path, where).map((entry) => {
    if (Number.isSafeInteger(entry) && (entry as number) >= 0) return entry as number;
    throw bad(path, `${where} holds ${String(entry)}, expected whole numbers of at least 0`);
  });
}

function matrixOf(value: unknown, path: string, where: string): Float64Array[] {
  return listOf(value, path, where).map((row) => Float64Array.from(numbersOf(row, path, where)));
}

function textOf(value: unknown, path: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw bad(path, "it does not name its model");
}

function sumOf(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0);
}

function bad(path: string, problem: string) {
  return badTrace(path, problem, GET_AGAIN);
}
