import type { ScheduledAction } from "@fmlab/sim";
import type { IdleContainer } from "../keep-alive/keep-alive-policy.ts";

/** A container on a node, busy or idle. */
export class Container implements IdleContainer {
  idleSinceMs = 0;
  priority = 0;
  /** When it can work; later than now while it is being started ahead of need. */
  readyAtMs = 0;
  expiresAtMs = Number.POSITIVE_INFINITY;
  isIdle = false;
  /** Place in its node's list of idle containers; -1 while busy. */
  idleAt = -1;
  /** One timer a container, armed for the earliest expiry it has been given. */
  timer: ScheduledAction | undefined;
  /** Of its function, for a replacement made ahead of need. */
  coldStartMs = 0;
  /** What to do when it is let go at its expiry; negative: nothing. */
  prewarmAtMs = -1;
  prewarmUntilMs = -1;

  constructor(
    readonly functionIndex: number,
    readonly memoryMb: number,
    readonly serial: number,
  ) {}
}
