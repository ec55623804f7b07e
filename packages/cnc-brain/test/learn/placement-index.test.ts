import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { DecisionFrame, emptyRound } from "../../src/learn/decision-frame.ts";
import { InFlight } from "../../src/learn/in-flight.ts";
import { indexChooser } from "../../src/learn/learned-scheduler.ts";
import {
  HEURISTIC_INDEX,
  INDEX_PARAMETERS,
  type PlacementIndex,
} from "../../src/learn/placement-index.ts";
import { networkOfRtt } from "../../src/network/network.ts";
import { QUEUE } from "../../src/scheduling/scheduler.ts";
import { ClusterView } from "../../src/simulator/cluster-view.ts";
import { PLAIN_FUNCTION, PLAIN_NODE } from "../../src/simulator/specs.ts";

type Parameter = (typeof INDEX_PARAMETERS)[number];

function indexWith(numbers: Partial<Record<Parameter, number>>): PlacementIndex {
  return Float32Array.from(INDEX_PARAMETERS, (name) => numbers[name] ?? 0);
}

/** Two nodes of four cores, the first 40 ms nearer; a short and a long function. */
function twoNodes() {
  const nodes = [0, 1].map((site) => ({ ...PLAIN_NODE, name: `n${site}`, site, cores: 4 }));
  const common = { ...PLAIN_FUNCTION, coldStartMs: 200, imageMb: 100, image: "i" };
  const functions = [
    { ...common, name: "short", meanDurationMs: 50, sloMs: 650 },
    { ...common, name: "long", meanDurationMs: 20_000, sloMs: 60_500 },
  ];
  const rttMs = [
    [2, 42],
    [42, 2],
  ];
  const view = new ClusterView(nodes, functions, networkOfRtt({ siteNames: ["a", "b"], rttMs }));
  const candidates = { mask: Uint8Array.of(1, 1), nodes: Int32Array.of(0, 1) };
  const ask = (functionIndex: number, index: PlacementIndex, inFlight = new InFlight()) => {
    const frame = new DecisionFrame(view, index, inFlight);
    const request = {
      id: 0,
      functionIndex,
      site: 0,
      arrivalMs: view.nowMs,
      attempt: 0,
      candidates,
    };
    frame.encodePrior(request, emptyRound(2));
    return indexChooser(index).choose(frame, request);
  };
  return { view, ask };
}

describe("the placement index", () => {
  it("of zeros takes the nearest node with room and never waits", () => {
    const { view, ask } = twoNodes();
    expect(ask(0, HEURISTIC_INDEX)).toBe(0);
    view.coresRequested[0] = 4;
    expect(ask(0, HEURISTIC_INDEX)).toBe(1);
  });

  it("sends long requests, not short ones, from a crowded node when core time has a price", () => {
    const { view, ask } = twoNodes();
    view.coresRequested[0] = 3;
    view.warm.fill(1);
    const priced = indexWith({ price: 0.002, "price by node": 2 });
    expect(ask(1, HEURISTIC_INDEX)).toBe(0);
    expect(ask(1, priced)).toBe(1);
    expect(ask(0, priced)).toBe(0);
  });

  it("lets long requests wait while few cores are free, and short ones go", () => {
    const { view, ask } = twoNodes();
    view.coresRequested.fill(3);
    const reserved = indexWith({ reserve: 0.5 });
    expect(ask(1, reserved)).toBe(QUEUE);
    expect(ask(0, reserved)).not.toBe(QUEUE);
    view.coresRequested.fill(0);
    expect(ask(1, reserved)).not.toBe(QUEUE);
  });

  it("brings images where they are missing when that has a worth", () => {
    const { view, ask } = twoNodes();
    view.warm[0] = 1;
    view.warm[1] = 1;
    view.hasImage.fill(1, 0, 2);
    expect(ask(1, HEURISTIC_INDEX)).toBe(0);
    expect(ask(1, indexWith({ "worth of an image": 0.1 }))).toBe(1);
  });

  it("waits for a busy container that is free before a new one is ready", () => {
    const { view, ask } = twoNodes();
    view.coresRequested[0] = 1;
    const waiting = indexWith({ wait: 1 });
    const flight = (endMs: number) => {
      const inFlight = new InFlight();
      inFlight.add(0, { node: 0, endMs });
      return inFlight;
    };
    expect(ask(0, waiting, flight(100))).toBe(QUEUE);
    expect(ask(0, waiting, flight(5000))).toBe(0);
    expect(ask(0, HEURISTIC_INDEX, flight(100))).toBe(0);
    view.nowMs = 101;
    expect(ask(0, waiting, flight(100))).toBe(0);
  });
});

describe("InFlight", () => {
  it("tells the next ones to end as a sorted list does, over 30 random histories", () => {
    for (let seed = 0; seed < 30; seed++) {
      const draw = createPrng(seed, "flights");
      const ours = new InFlight();
      const ends: number[] = [];
      for (let step = 0; step < 60; step++) {
        const nowMs = 10 * step;
        const endMs = nowMs + draw.nextInt(200);
        ours.add(3, { node: step, endMs });
        ends.push(endMs);
        const copy = new InFlight();
        copy.copyFrom(ours);
        const due = ends.filter((end) => end > nowMs).sort((a, b) => a - b);
        for (const place of [0, 1, 4]) {
          expect(ours.next(3, nowMs, place)?.endMs).toBe(due[place]);
          expect(copy.next(3, nowMs, place)?.endMs).toBe(due[place]);
        }
        expect(ours.next(4, nowMs, 0)).toBeUndefined();
      }
    }
  });
});
