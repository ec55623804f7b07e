import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  dequantise,
  encodeSplitGguf,
  GgmlLibrary,
  type GgufFile,
  openGguf,
  quantise,
  splitPath,
  TENSOR_TYPE,
} from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { type ExpertLayout, expertLayout } from "../../src/model/expert-layout.ts";
import { temporaryPath } from "../../src/precision/gguf-stream.ts";
import { modelIdentity } from "../../src/precision/model-identity.ts";
import type { TwinKind } from "../../src/precision/names.ts";
import { openTwins, twinPath } from "../../src/precision/twins.ts";
import { randomModel } from "../engine/random-model.ts";
import { openSmall, SMALL, temporaryFolder } from "./small-moe.ts";

const { path: root, remove } = temporaryFolder();
afterAll(remove);
const library = GgmlLibrary.load();
const small = openSmall(root);
afterAll(() => small.file.close());

function bytesOf(file: GgufFile, layout: ExpertLayout, place: readonly [number, number, number]) {
  const [layer, expert, part] = place;
  const { offset, sizeBytes, fileIndex } = layout.range(layer, expert, EXPERT_PARTS[part] ?? "up");
  const bytes = new Uint8Array(sizeBytes);
  file.read(offset, bytes, fileIndex);
  return bytes;
}

/** Every matrix of every expert, expanded and quantised again in one go, equals the twin's. */
function differences(source: typeof small, kind: TwinKind, folder: string): string[] {
  const twins = openTwins({ ...source, kind, folder });
  const found: string[] = [];
  for (const layer of source.layout.moeLayers) {
    const own = source.layout.classOfLayer(layer).parts;
    const twin = twins.layout.classOfLayer(layer).parts;
    for (let expert = 0; expert < source.layout.expertCount; expert++) {
      for (const [part, matrix] of own.entries()) {
        const place = [layer, expert, part] as const;
        const values = dequantise(library, matrix.type, bytesOf(source.file, source.layout, place));
        const type = twin[part]?.type ?? 0;
        const expected = quantise(library, type, values, matrix.columns);
        const actual = bytesOf(twins.file, twins.layout, place);
        if (!Buffer.from(expected).equals(actual)) found.push(place.join());
      }
    }
  }
  twins.file.close();
  return found;
}

const typesOf = (source: typeof small, kind: TwinKind, folder: string) => {
  const twins = openTwins({ ...source, kind, folder });
  twins.file.close();
  return twins.layout.classes.map(({ parts }) => parts.map(({ type }) => type));
};

const { Q2_K, Q4_0 } = TENSOR_TYPE;

describe("low-precision copies of experts", () => {
  it("hold each matrix expanded and quantised again", () => {
    expect(differences(small, "q4_0", root)).toEqual([]);
    expect(differences(small, "q2_k", root)).toEqual([]);
  });

  it("are Q2_K where rows allow it and Q4_0 elsewhere", () => {
    expect(typesOf(small, "q4_0", root)).toEqual([[Q4_0, Q4_0, Q4_0]]);
    expect(typesOf(small, "q2_k", root)).toEqual([[Q2_K, Q2_K, Q4_0]]);
    const narrow = openSmall(root, { width: 64, sharedInner: 32 }, "narrow");
    expect(typesOf(narrow, "q2_k", root)).toEqual([[Q4_0, Q4_0, Q4_0]]);
    narrow.file.close();
    const wide = openSmall(root, { inner: 256, layers: 1, experts: 2 }, "wide");
    expect(typesOf(wide, "q2_k", root)).toEqual([[Q2_K, Q2_K, Q2_K]]);
    wide.file.close();
  });

  it("are made of fused matrices, of dense-lead models and of layers of other types alike", () => {
    const types = { "1.ffn_down_exps": "F16", ffn_down_exps: "Q5_0" } as const;
    const deepseek = openSmall(
      root,
      {
        architecture: "deepseek",
        fusedGateUp: true,
        denseLead: 1,
        denseInner: 64,
        sharedInner: 0,
        sharedCount: 1,
        types,
      },
      "deepseek",
    );
    expect(deepseek.layout.classes.length).toBe(2);
    expect(differences(deepseek, "q4_0", root)).toEqual([]);
    deepseek.file.close();
  });

  it("are the same for a model in one file and in several", () => {
    const parts = encodeSplitGguf(randomModel(SMALL), 3);
    const paths = parts.map((_, number) => splitPath(join(root, "split"), number, 3));
    parts.forEach((bytes, number) => {
      writeFileSync(paths[number] ?? "", bytes);
    });
    const file = openGguf(paths[1] ?? "");
    const split = { ...small, file, layout: expertLayout(file, small.model) };
    expect(differences(split, "q4_0", root)).toEqual([]);
    const [one, three] = [small, split].map((of) => {
      const twins = openTwins({ ...of, kind: "q4_0", folder: root });
      twins.file.close();
      return readFileSync(twins.file.path).subarray(twins.file.dataOffset);
    });
    expect(one?.length).toBeGreaterThan(100_000);
    expect(three && one?.equals(three)).toBe(true);
    file.close();
  });

  it("are made once and found again, whatever the model's path", () => {
    const folder = join(root, "again");
    const first = openTwins({ ...small, kind: "q4_0", folder });
    first.file.close();
    const made = statSync(first.file.path);
    const second = openTwins({ ...small, kind: "q4_0", folder });
    second.file.close();
    expect([first.wasMade, second.wasMade]).toEqual([true, false]);
    expect(statSync(second.file.path)).toMatchObject({ ino: made.ino, mtimeMs: made.mtimeMs });
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it("are another model's when only weights differ", () => {
    const other = openSmall(root, { seed: 6 }, "other");
    expect(other.file.sizeBytes).toBe(small.file.sizeBytes);
    expect(modelIdentity(other.file)).not.toBe(modelIdentity(small.file));
    const copy = join(root, "renamed.gguf");
    writeFileSync(copy, readFileSync(small.path));
    const renamed = openGguf(copy);
    expect(modelIdentity(renamed)).toBe(modelIdentity(small.file));
    renamed.close();
    other.file.close();
  });

  it.each([
    ["cut short", (path: string) => truncateSync(path, 5000)],
    ["no GGUF file", (path: string) => writeFileSync(path, "nothing of the kind")],
    ["of another model", (path: string) => replaceText(path, modelIdentity(small.file))],
  ])("are made anew when what is there is %s", (_, damage) => {
    const folder = join(root, "damaged");
    const request = { ...small, kind: "q4_0", folder } as const;
    const first = openTwins(request);
    first.file.close();
    const sound = readFileSync(first.file.path);
    damage(first.file.path);
    const second = openTwins(request);
    second.file.close();
    expect(second.wasMade).toBe(true);
    expect(readFileSync(second.file.path).equals(sound)).toBe(true);
  });
});

describe("making low-precision copies", () => {
  it("tells its progress, matrix by matrix", () => {
    const told: string[] = [];
    const onProgress = (done: number, total: number) => told.push(`${done}/${total}`);
    openTwins({ ...small, kind: "q4_0", folder: join(root, "told"), onProgress }).file.close();
    expect(told).toEqual(Array.from({ length: 54 }, (_, i) => `${i + 1}/54`));
  });

  it("leaves nothing behind when it is cancelled half-way", () => {
    const folder = join(root, "cancelled");
    let asked = 0;
    const throwIfCancelled = () => {
      if (++asked === 20) throw new Error("enough");
    };
    const request = { ...small, kind: "q4_0", folder, throwIfCancelled } as const;
    expect(() => openTwins(request)).toThrow("enough");
    expect(readdirSync(folder)).toEqual([]);
  });

  it.skipIf(!existsSync("/dev/full"))("says so when the disk is full, and leaves nothing", () => {
    const folder = join(root, "full");
    mkdirSync(folder);
    const path = twinPath(folder, small.path, modelIdentity(small.file), "q4_0");
    // Where the unfinished file would lie is a device on which every write fails for lack of room.
    symlinkSync("/dev/full", temporaryPath(path));
    const make = () => openTwins({ ...small, kind: "q4_0", folder });
    expect(make).toThrow(expect.objectContaining({ code: "DISK_FULL" }));
    expect(readdirSync(folder)).toEqual([]);
    make().file.close();
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it("refuses a folder that cannot be one, and rows that fit no block", () => {
    const folder = join(small.path, "inside-a-file");
    const code = (name: string) => expect.objectContaining({ code: name });
    expect(() => openTwins({ ...small, kind: "q4_0", folder })).toThrow(code("UNWRITABLE"));
    const types = { ffn_gate_exps: "F16", ffn_up_exps: "F16", ffn_down_exps: "F16" } as const;
    const odd = openSmall(root, { inner: 40, layers: 1, experts: 2, types }, "odd");
    expect(() => openTwins({ ...odd, kind: "q2_k", folder: root })).toThrow(code("NO_TWIN"));
    odd.file.close();
  });

  it("refuses weights that are not finite", () => {
    const bytes = readFileSync(small.path);
    const { offset } = small.layout.range(1, 2, "up");
    bytes.writeUInt16LE(0x7e00, offset);
    const path = join(root, "broken.gguf");
    writeFileSync(path, bytes);
    const file = openGguf(path);
    const folder = join(root, "broken");
    const make = () => openTwins({ ...small, file, kind: "q4_0", folder });
    expect(make).toThrow(/expert 2 of layer 1 \(up\) holds weights that are not finite/);
    expect(readdirSync(folder)).toEqual([]);
    file.close();
  });
});

function replaceText(path: string, text: string): void {
  const bytes = readFileSync(path);
  bytes.write("0".repeat(text.length), bytes.indexOf(text));
  writeFileSync(path, bytes);
}
