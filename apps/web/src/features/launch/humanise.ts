/**
 * Endings of config names that are units (units come last in our names), and how they are shown.
 */
const UNITS: [ending: string, shown: string][] = [
  ["TokensPerSecond", "tok/s"],
  ["PerSecond", "per s"],
  ["Tps", "tx/s"],
  ["BytesPerSecond", "B/s"],
  ["MBps", "MB/s"],
  ["GBps", "GB/s"],
  ["Mbps", "Mbit/s"],
  ["Gbps", "Gbit/s"],
  ["KiB", "KiB"],
  ["MiB", "MiB"],
  ["GiB", "GiB"],
  ["Bytes", "B"],
  ["Percent", "%"],
  ["Minutes", "min"],
  ["Seconds", "s"],
  ["Sec", "s"],
  ["Us", "µs"],
  ["Ms", "ms"],
  ["Ns", "ns"],
];

/** Words that are written in capitals. */
const ABBREVIATIONS = new Set(["cpu", "gpu", "llm", "lru", "rtt", "slo", "tps"]);

/**
 * The name of one item of a list: the last of its words loses its plural, before the unit where
 * there is one, as `bandwidthsMBps` holds values of `bandwidthMBps`.
 */
export function singular(name: string): string {
  const unit = UNITS.find(([ending]) => name.endsWith(ending) && name.length > ending.length);
  const [ending = ""] = unit ?? [];
  const stem = name.slice(0, name.length - ending.length);
  const one = stem.endsWith("ies") ? `${stem.slice(0, -3)}y` : stem.replace(/s$/, "");
  return `${one}${ending}`;
}

/** A config's property name as a title and a unit: `budgetMiB` is “Budget” in MiB. */
export function humanise(name: string): { title: string; unit: string } {
  const found = UNITS.find(([ending]) => name.endsWith(ending) && name.length > ending.length);
  const stem = found === undefined ? name : name.slice(0, -found[0].length);
  const words = stem
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .replaceAll(/[-_.]+/g, " ")
    .trim()
    .split(" ")
    .map((word) => (/^[A-Z]{2,}$/.test(word) ? word : word.toLowerCase()))
    .map((word) => (ABBREVIATIONS.has(word) ? word.toUpperCase() : word));
  const title = words.join(" ");
  return {
    title: title.charAt(0).toUpperCase() + title.slice(1),
    unit: found === undefined ? "" : found[1],
  };
}
