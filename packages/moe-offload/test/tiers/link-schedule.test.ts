import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { checkLink } from "../../src/tiers/link.ts";
import { type LinkOptions, LinkSchedule } from "../../src/tiers/link-schedule.ts";

interface Request {
  atMs: number;
  bytes: number;
}

/** Plays transfers event by event: places, then latency, then one wire; first come first served. */
function simulate(link: LinkOptions, requests: readonly Request[]) {
  const results = requests.map(() => ({ startMs: -1, endMs: -1 }));
  const events = requests.map(({ atMs }, id) => ({ atMs, kind: 2, id }));
  const waiting: number[] = [];
  const wire: number[] = [];
  let places = link.queueDepth;
  let isWireBusy = false;
  const result = (id: number) => results[id] ?? { startMs: 0, endMs: 0 };
  for (;;) {
    events.sort((a, b) => a.atMs - b.atMs || a.kind - b.kind || a.id - b.id);
    const event = events.shift();
    if (event === undefined) return results;
    const { atMs, kind, id } = event;
    if (kind === 0) {
      result(id).endMs = atMs;
      isWireBusy = false;
      places++;
    } else if (kind === 1) wire.push(id);
    else waiting.push(id);
    while (places > 0 && waiting.length > 0) {
      places--;
      const next = waiting.shift() ?? 0;
      result(next).startMs = atMs;
      events.push({ atMs: atMs + link.latencyUs / 1e3, kind: 1, id: next });
    }
    if (!isWireBusy && wire.length > 0) {
      isWireBusy = true;
      const next = wire.shift() ?? 0;
      const bytes = requests[next]?.bytes ?? 0;
      const ms = link.bandwidthMBps === 0 ? 0 : bytes / (link.bandwidthMBps * 1e3);
      events.push({ atMs: atMs + ms, kind: 0, id: next });
    }
  }
}

describe("the schedule of a link", () => {
  it("is what happens when transfers are played event by event", () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = createPrng(seed, "link");
      const link = {
        bandwidthMBps: random.pick([0, 1, 100, 3200]),
        latencyUs: random.pick([0, 5, 100, 2000]),
        queueDepth: 1 + random.nextInt(5),
      };
      let atMs = 0;
      const requests = Array.from({ length: 40 }, () => {
        atMs += random.chance(0.3) ? 0 : random.exponential(0.2);
        return { atMs, bytes: 1 + random.nextInt(200_000) };
      });
      const schedule = new LinkSchedule(link);
      const expected = simulate(link, requests);
      let worstMs = 0;
      requests.forEach(({ atMs: requestMs, bytes }, i) => {
        schedule.begin(requestMs, bytes);
        const { startMs = Number.NaN, endMs = Number.NaN } = expected[i] ?? {};
        const offMs = Math.abs(schedule.startMs - startMs) + Math.abs(schedule.endMs - endMs);
        worstMs = Math.max(worstMs, offMs);
      });
      expect(worstMs, `seed ${seed}`).toBeLessThan(1e-9);
    }
  });

  it("takes latency and bytes over bandwidth for one expert", () => {
    const link = new LinkSchedule({ bandwidthMBps: 200, latencyUs: 50, queueDepth: 1 });
    // 104,448 bytes at 200,000,000 bytes a second are 0.52224 ms.
    expect(link.durationMs(104_448)).toBeCloseTo(0.57224, 12);
    link.begin(1, 104_448);
    expect(link.endMs).toBeCloseTo(1.57224, 12);
    expect(link.freeMs()).toBe(link.endMs);
  });

  it("overlaps latencies up to the queue depth, and the bytes never", () => {
    const ends = [1, 4].map((queueDepth) => {
      const link = new LinkSchedule({ bandwidthMBps: 1, latencyUs: 1000, queueDepth });
      for (let i = 0; i < 4; i++) link.begin(0, 1000);
      return link.endMs;
    });
    expect(ends).toEqual([8, 5]);
  });

  it("gives a place back only when a slower real transfer has ended", () => {
    const link = new LinkSchedule({ bandwidthMBps: 1, latencyUs: 0, queueDepth: 2 });
    const first = link.begin(0, 1000);
    link.begin(0, 1000);
    link.occupy(first, 10);
    expect(link.freeMs()).toBe(2);
    link.begin(0, 1000);
    link.begin(0, 1000);
    expect(link.startMs).toBe(3);
    expect(link.freeMs()).toBe(4);
    // An earlier time than the link's own changes nothing.
    link.occupy(first, 1);
    link.begin(0, 1000);
    expect(link.startMs).toBe(4);
  });

  it.each([
    { bandwidthMBps: -1 },
    { bandwidthMBps: Number.NaN },
    { latencyUs: Number.POSITIVE_INFINITY },
    { latencyUs: -0.5 },
    { queueDepth: 0 },
    { queueDepth: 1.5 },
    { queueDepth: 257 },
  ])("refuses a link of %o", (wrong) => {
    const link = { bandwidthMBps: 100, latencyUs: 0, queueDepth: 1, ...wrong };
    expect(() => checkLink("disk", link)).toThrow(/disk\.\w+ is .*, expected a/);
  });
});
