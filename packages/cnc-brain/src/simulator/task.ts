import type { Candidates, PlacementRequest } from "../scheduling/scheduler.ts";
import type { Container } from "./container.ts";
import type { SharedJob } from "./processor-sharing.ts";

/** A request on its way through the simulator. */
export class Task implements PlacementRequest {
  attempt = 0;
  /** Where it is or goes; -1 at the gateway. */
  node = -1;
  /** Nodes that hold a place for it while it is not bound. */
  reserved: readonly number[] | undefined;
  container: Container | undefined;
  isCold = false;
  /** A node has taken it; places other nodes keep for it are void. */
  isStarted = false;
  /** When its container began to work on it, start-up included. */
  startMs = 0;
  /** When its code began to run. */
  executeMs = 0;
  /** Its part of cores that are shared. */
  shared: SharedJob | undefined;
  /** Done since its last checkpoint, while its state is on the way to another node. */
  unsavedMs = 0;
  /** Place in its node's list of running tasks; -1 outside. */
  runningAt = -1;
  /** Rises with each failure: what was planned for an earlier attempt is void. */
  epoch = 0;

  constructor(
    readonly id: number,
    readonly functionIndex: number,
    readonly site: number,
    readonly arrivalMs: number,
    /** Left to do at speed 1; less than the trace says after a checkpoint. */
    public workMs: number,
    public candidates: Candidates,
  ) {}
}
