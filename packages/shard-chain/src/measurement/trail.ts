/** What a transaction's time is spent on. */
export const PHASES = [
  /** Waiting for a place in a block. */
  "queue",
  /** From a block's proposal to its commit. */
  "consensus",
  /** Messages between shards under way. */
  "network",
  /** Waiting for a lock. */
  "lockWait",
  /** Waiting for the global order, e.g. for the slowest shard's report. */
  "orderingWait",
  /** Running the transaction. */
  "execution",
  /** Making and checking proofs. */
  "proof",
] as const;

/** One kind of spent time. */
export type Phase = (typeof PHASES)[number];

/**
 * How a transaction came to the present: every moment since its intended arrival, with what it was
 * spent on. Never changed once made, so each branch of a protocol carries its own; where branches
 * meet, `joinTrails` keeps the critical one.
 */
export interface Trail {
  /** The present of this trail, virtual ms. */
  readonly atMs: number;
  /** What the time since `before` went to; undefined at the start. */
  readonly phase: Phase | undefined;
  readonly before: Trail | undefined;
}

/** A trail that begins when the transaction was meant to arrive, not when it was taken up. */
export function startTrail(intendedMs: number): Trail {
  return { atMs: intendedMs, phase: undefined, before: undefined };
}

/** The trail after spending the time until `untilMs` on `phase`. Time never goes back. */
export function extendTrail(trail: Trail, phase: Phase, untilMs: number): Trail {
  return untilMs > trail.atMs ? { atMs: untilMs, phase, before: trail } : trail;
}

/** The branch that arrived last: the one the transaction had to wait for. */
export function joinTrails(first: Trail, ...others: readonly Trail[]): Trail {
  return others.reduce((latest, trail) => (trail.atMs > latest.atMs ? trail : latest), first);
}

/** Milliseconds by phase; they sum up to the trail's length. */
export function timeByPhase(trail: Trail): Record<Phase, number> {
  const spent = Object.fromEntries(PHASES.map((phase) => [phase, 0])) as Record<Phase, number>;
  for (let now = trail; now.before !== undefined; now = now.before) {
    if (now.phase !== undefined) spent[now.phase] += now.atMs - now.before.atMs;
  }
  return spent;
}

/** Rounds of consensus that the trail went through, one after another. */
export function consensusRounds(trail: Trail): number {
  let rounds = 0;
  for (let now: Trail | undefined = trail; now !== undefined; now = now.before) {
    if (now.phase === "consensus") rounds++;
  }
  return rounds;
}

/** When the trail began: the intended arrival. */
export function startOf(trail: Trail): number {
  let now = trail;
  while (now.before !== undefined) now = now.before;
  return now.atMs;
}
