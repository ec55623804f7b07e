import type { Host } from "./host.ts";

/** The host with another way to send. */
export function forwardingHost(host: Host, send: Host["send"]): Host {
  return {
    self: host.self,
    nowMs: () => host.nowMs(),
    setTimer: (delayMs, fire) => host.setTimer(delayMs, fire),
    cancelTimer: (timer) => host.cancelTimer(timer),
    charge: (operation, count) => host.charge(operation, count),
    send,
  };
}
