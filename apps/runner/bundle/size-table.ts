import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { columns } from "../src/cli/terminal.ts";

/** The sectors that `stat` counts in, whatever the disk's. */
const SECTOR_BYTES = 512;
const MIB = 2 ** 20;

/** Room that a part of a bundle takes. */
export interface PartSize {
  part: string;
  files: number;
  /** Sum of the files' lengths. */
  bytes: number;
  /** What the disk holds: less where a file has holes. */
  diskBytes: number;
}

/** The parts of a bundle and their sizes, the largest first, then all together. */
export function measureParts(folder: string): PartSize[] {
  const parts = readdirSync(folder)
    .filter((name) => !name.startsWith("."))
    .map((name) => measure(join(folder, name), name))
    .sort((a, b) => b.diskBytes - a.diskBytes);
  const sum = (key: "files" | "bytes" | "diskBytes") =>
    parts.reduce((total, one) => total + one[key], 0);
  const all = { part: "total", files: sum("files"), bytes: sum("bytes") };
  return [...parts, { ...all, diskBytes: sum("diskBytes") }];
}

function measure(path: string, part: string): PartSize {
  const paths = statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, encoding: "utf8" }).map((name) => join(path, name))
    : [path];
  const stats = paths.map((one) => statSync(one)).filter((one) => one.isFile());
  return {
    part,
    files: stats.length,
    bytes: stats.reduce((total, { size }) => total + size, 0),
    diskBytes: stats.reduce((total, { blocks }) => total + blocks * SECTOR_BYTES, 0),
  };
}

/** The table as text. */
export function sizeTable(parts: readonly PartSize[]): string {
  const mebibytes = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
  return columns([
    ["PART", "FILES", "LENGTH", "ON DISK"],
    ...parts.map((one) => [one.part, one.files, mebibytes(one.bytes), mebibytes(one.diskBytes)]),
  ]);
}
