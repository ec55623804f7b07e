/**
 * CUDA's fat binaries inside a shared library: the same kernels for several GPU architectures. A
 * fat binary is a 16-byte header (magic, version 1, header size 16, size of what follows) and
 * entries; an entry has a header (kind at 0, header size at 4, payload size at 8, architecture at
 * 28) and its payload. Kind 1 is PTX, which the driver compiles; kind 2 is machine code.
 */
const MAGIC = Buffer.from([0x50, 0xed, 0x55, 0xba]);
const HEADER_BYTES = 16;
const ENTRY_HEADER_BYTES_MIN = 32;
const ALIGNMENT = 8;
const KIND = { ptx: 1, machineCode: 2 } as const;

/** What a library holds and what was made of it. */
export interface StrippedLibrary {
  /** Architectures it held machine code for, e.g. 90, ascending. */
  architectures: number[];
  fatBinaries: number;
  keptEntries: number;
  keptBytes: number;
  /** Bytes overwritten with zeros: they take no room in a sparse file or an archive. */
  clearedBytes: number;
}

interface Entry {
  kind: number;
  architecture: number;
  payloadAt: number;
  payloadBytes: number;
}

/**
 * Overwrites, in place, every entry that is not machine code for one architecture. CUDA picks the
 * entry for the GPU at hand and does not read the others, so the library still works on that GPU.
 *
 * @param architecture of the GPU, e.g. 90 for sm_90
 * @throws RangeError when the library holds no machine code for it; nothing is changed then
 */
export function keepArchitecture(library: Buffer, architecture: number): StrippedLibrary {
  const binaries = [...findFatBinaries(library)];
  const entries = binaries.flat();
  const isKept = (one: Entry) => one.kind === KIND.machineCode && one.architecture === architecture;
  const compiled = entries.filter(({ kind }) => kind === KIND.machineCode);
  const architectures = [...new Set(compiled.map((one) => one.architecture))].sort((a, b) => a - b);
  if (!architectures.includes(architecture)) {
    throw new RangeError(
      `the library holds no machine code for sm_${architecture}; ` +
        `it has ${architectures.map((one) => `sm_${one}`).join(", ") || "none at all"}`,
    );
  }
  const stripped = { architectures, fatBinaries: binaries.length, keptEntries: 0 };
  let keptBytes = 0;
  let clearedBytes = 0;
  for (const entry of entries) {
    const { payloadAt, payloadBytes } = entry;
    if (isKept(entry)) {
      stripped.keptEntries += 1;
      keptBytes += payloadBytes;
    } else {
      library.fill(0, payloadAt, payloadAt + payloadBytes);
      clearedBytes += payloadBytes;
    }
  }
  return { ...stripped, keptBytes, clearedBytes };
}

/** The entries of each fat binary, in order. The magic number may also occur by chance. */
function* findFatBinaries(library: Buffer): Generator<Entry[]> {
  for (let at = library.indexOf(MAGIC); at >= 0; ) {
    const entries = at % ALIGNMENT === 0 ? readFatBinary(library, at) : undefined;
    if (entries !== undefined) yield entries;
    const sizeBytes = entries === undefined ? 0 : Number(library.readBigUInt64LE(at + 8));
    at = library.indexOf(MAGIC, at + Math.max(MAGIC.length, HEADER_BYTES + sizeBytes));
  }
}

/** Undefined when what lies there is no fat binary. */
function readFatBinary(library: Buffer, at: number): Entry[] | undefined {
  if (at + HEADER_BYTES > library.length) return undefined;
  const version = library.readUInt16LE(at + 4);
  const headerBytes = library.readUInt16LE(at + 6);
  const end = at + HEADER_BYTES + Number(library.readBigUInt64LE(at + 8));
  if (version !== 1 || headerBytes !== HEADER_BYTES || end > library.length) return undefined;
  const entries: Entry[] = [];
  for (let entryAt = at + HEADER_BYTES; entryAt + ENTRY_HEADER_BYTES_MIN <= end; ) {
    const kind = library.readUInt16LE(entryAt);
    const entryHeaderBytes = library.readUInt32LE(entryAt + 4);
    const payloadBytes = Number(library.readBigUInt64LE(entryAt + 8));
    const architecture = library.readUInt32LE(entryAt + 28);
    const payloadAt = entryAt + entryHeaderBytes;
    const isKnown = kind === KIND.ptx || kind === KIND.machineCode;
    const isInside = entryHeaderBytes >= ENTRY_HEADER_BYTES_MIN && payloadAt + payloadBytes <= end;
    // Padding after the last entry, or a form this code does not know: that is left as it is.
    if (!isKnown || !isInside) break;
    entries.push({ kind, architecture, payloadAt, payloadBytes });
    entryAt = payloadAt + payloadBytes;
  }
  return entries;
}
