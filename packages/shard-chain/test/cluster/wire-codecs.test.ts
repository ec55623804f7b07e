import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { wireCodecs } from "../../src/cluster/wire-codecs.ts";
import { wireSamples } from "./wire-samples.ts";

describe.each(wireSamples())("messages on $channel", ({ channel, bodies }) => {
  const codec = wireCodecs("pbft", ["shard-0"]).get(channel);
  if (codec === undefined) throw new Error(`no codec for ${channel}`);

  it("come back as they were sent", () => {
    for (const body of bodies) {
      const bytes = codec.encode(body);
      const sent = "sizeBytes" in body && "data" in body && !("id" in body);
      expect(codec.decode(bytes)).toEqual(sent ? { ...body, sizeBytes: bytes.length } : body);
    }
  });

  it("are refused, and never thrown about, once bytes are changed, lost or added", () => {
    const prng = createPrng(3, channel);
    const frames = bodies.map((body) => codec.encode(body));
    let refused = 0;
    for (let i = 0; i < 1_500; i++) {
      const frame = Uint8Array.from(prng.pick(frames));
      frame[prng.nextInt(frame.length)] = prng.nextInt(256);
      const cut = prng.chance(0.3) ? frame.subarray(0, prng.nextInt(frame.length)) : frame;
      if (codec.decode(cut) === undefined) refused++;
    }
    expect(refused).toBeGreaterThan(300);
    for (const frame of frames) expect(codec.decode(Uint8Array.of(...frame, 0))).toBeUndefined();
  });
});
