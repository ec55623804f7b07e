import type { Simulation } from "./simulation.ts";
import type { TraceHash } from "./trace-hash.ts";

/** A simulated world that writes down what it does. */
export interface TracedWorld {
  readonly simulation: Simulation;
  readonly trace: TraceHash;
}

/**
 * The world as it was after so many events: built anew and run that far. The builder must draw on
 * seeds and virtual time only.
 *
 * @param build makes the world at time 0, the same each time
 * @returns fewer events have run only when no more waited
 */
export function replayTo<World extends TracedWorld>(build: () => World, eventCount: number): World {
  const world = build();
  world.simulation.runEvents(eventCount);
  return world;
}

/**
 * The number of the first event (from 1) after which two worlds' traces differ, 0 when they differ
 * from the start, undefined when they never do within `eventsMax`. Runs both, event by event.
 */
export function firstDivergence(
  buildOne: () => TracedWorld,
  buildOther: () => TracedWorld,
  eventsMax: number,
): number | undefined {
  const one = buildOne();
  const other = buildOther();
  for (let event = 0; event <= eventsMax; event++) {
    if (one.trace.digest() !== other.trace.digest()) return event;
    const ran = [one.simulation.runNext(), other.simulation.runNext()];
    if (ran[0] !== ran[1]) return event + 1;
    if (!ran[0]) return undefined;
  }
  return undefined;
}
