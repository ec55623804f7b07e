/** One sample of a metric. */
export interface PrometheusSample {
  name: string;
  labels: Record<string, string>;
  value: number;
  /** Milliseconds since 1970, where the line gives it. */
  atMs: number | undefined;
}

/** Samples of a text, and how many of its lines are none. */
export interface PrometheusText {
  samples: PrometheusSample[];
  malformed: number;
}

const LABELS = /\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}/.source;
const LINE = new RegExp(
  `^([a-zA-Z_:][a-zA-Z0-9_:]*)\\s*(?:${LABELS})?\\s+(\\S+)(?:\\s+(-?\\d+))?\\s*$`,
);
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;

/**
 * Reads Prometheus' text exposition format. Lines that are no samples are counted and left out, so
 * that one bad exporter costs its own values only.
 *
 * @see prometheus.io, Exposition formats, version 0.0.4
 */
export function parsePrometheusText(text: string): PrometheusText {
  const samples: PrometheusSample[] = [];
  let malformed = 0;
  for (const line of text.split("\n")) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const match = LINE.exec(trimmed);
    const labels = match === null ? undefined : parseLabels(match[2] ?? "");
    const value = match === null ? Number.NaN : numberOf(match[3] ?? "");
    if (match === null || labels === undefined || value === undefined) {
      malformed++;
      continue;
    }
    const atMs = match[4] === undefined ? undefined : Number(match[4]);
    samples.push({ name: match[1] ?? "", labels, value, atMs });
  }
  return { samples, malformed };
}

/** Sum of a metric's samples whose labels have all these values; 0 of none. */
export function sumOf(
  samples: readonly PrometheusSample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const wanted = Object.entries(labels);
  return samples.reduce((sum, sample) => {
    const isMeant =
      sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value);
    return isMeant && Number.isFinite(sample.value) ? sum + sample.value : sum;
  }, 0);
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const rest = text.slice(LABEL.lastIndex);
    if (/^\s*$/.test(rest)) break;
    const match = LABEL.exec(text);
    if (match === null) return undefined;
    labels[match[1] ?? ""] = withoutEscapes(match[2] ?? "");
  }
  return labels;
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
}

/** Go's spelling of floats; undefined for what is none. */
function numberOf(text: string): number | undefined {
  if (/^[+-]?Inf$/i.test(text)) {
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (/^nan$/i.test(text)) return Number.NaN;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}
