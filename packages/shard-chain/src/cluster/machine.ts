import { randomBytes } from "node:crypto";
import type { SocketMachine } from "../node/socket-host.ts";

/** The machine's time, ms: the same for all processes of a machine, and it never falls. */
export function machineMs(): number {
  return performance.timeOrigin + performance.now();
}

/** What nodes on sockets take from this machine; their time is 0 at `zeroMs` of the machine's. */
export function createMachine(zeroMs: number): SocketMachine {
  return {
    nowMs: () => machineMs() - zeroMs,
    schedule: (delayMs, fire) => setTimeout(fire, Math.max(0, delayMs)),
    cancel: (scheduled) => clearTimeout(scheduled as NodeJS.Timeout),
    nonce: () => randomBytes(32),
  };
}
