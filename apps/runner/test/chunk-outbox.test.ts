import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { CHUNK_SIZE } from "@fmlab/api/protocol";
import { describe, expect, it } from "vitest";
import { ChunkOutbox } from "../src/sink/chunk-outbox.ts";
import { temporaryFolder } from "./fixtures/command.ts";

const spillFile = () => join(temporaryFolder(), "spill");
const point = (key: string, step: number) => ({ key, step, value: step * 2, timeMs: step });

describe("the chunk outbox", () => {
  it("sends the open chunk again, longer, under the same number", () => {
    const outbox = new ChunkOutbox(spillFile());
    outbox.addPoint(point("a", 0));
    const first = outbox.next();
    first?.acknowledge();
    expect(outbox.next()).toBeNull();
    outbox.addPoint(point("a", 1));
    const second = outbox.next();
    expect(first?.metrics[0]).toMatchObject({ chunkNo: 0, sealed: false, steps: [0] });
    expect(second?.metrics[0]).toMatchObject({ chunkNo: 0, sealed: false, steps: [0, 1] });
  });

  it("keeps a point that came between sending and acknowledgement", () => {
    const outbox = new ChunkOutbox(spillFile());
    outbox.addPoint(point("a", 0));
    const parcel = outbox.next();
    outbox.addPoint(point("a", 1));
    parcel?.acknowledge();
    expect(outbox.next()?.metrics[0]?.steps).toEqual([0, 1]);
  });

  it("seals a chunk at its size and begins the next", () => {
    const outbox = new ChunkOutbox(spillFile());
    for (let i = 0; i <= CHUNK_SIZE; i++) outbox.addPoint(point("a", i));
    const parcel = outbox.next();
    expect(parcel?.metrics.map((b) => [b.chunkNo, b.sealed, b.steps.length])).toEqual([
      [0, true, CHUNK_SIZE],
      [1, false, 1],
    ]);
  });

  it("acknowledges an open chunk that was sealed while it was on its way", () => {
    const outbox = new ChunkOutbox(spillFile());
    for (let i = 0; i < CHUNK_SIZE - 1; i++) outbox.addLine({ t: i, level: "info", text: `${i}` });
    const parcel = outbox.next();
    for (let i = 0; i < 2; i++) outbox.addLine({ t: i, level: "info", text: "more" });
    parcel?.acknowledge();
    const next = outbox.next();
    expect(next?.logs.map((b) => [b.chunkNo, b.sealed, b.lines.length])).toEqual([
      [0, true, CHUNK_SIZE],
      [1, false, 1],
    ]);
  });

  it("holds a million points of a long absence on disk and gives all of them back in order", () => {
    const file = spillFile();
    const outbox = new ChunkOutbox(file);
    const total = 1_000_000;
    for (let i = 0; i < total; i++) outbox.addPoint(point("a", i));
    expect(statSync(file).size).toBeGreaterThan(1_000_000);
    let expected = 0;
    for (let parcel = outbox.next(); parcel !== null; parcel = outbox.next()) {
      const characters = JSON.stringify(parcel.metrics).length;
      expect(characters).toBeLessThan(8_000_000);
      for (const { steps } of parcel.metrics) {
        for (const step of steps) {
          if (step !== expected) throw new Error(`step ${step} came where ${expected} should be`);
          expected += 1;
        }
      }
      parcel.acknowledge();
    }
    expect(expected).toBe(total);
    expect(existsSync(file)).toBe(false);
  });
});
