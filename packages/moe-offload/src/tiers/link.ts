import { MoeError } from "../errors.ts";
import { type LinkOptions, linkStateLength } from "./link-schedule.ts";

/**
 * Refuses speeds that are none.
 *
 * @param name what the link is called in the config, for the message
 * @throws MoeError `BAD_SETTING`
 */
export function checkLink(name: string, options: LinkOptions): void {
  const { bandwidthMBps, latencyUs, queueDepth } = options;
  check(`${name}.bandwidthMBps`, bandwidthMBps, "a number of at least 0", bandwidthMBps >= 0);
  check(`${name}.latencyUs`, latencyUs, "a number of at least 0", latencyUs >= 0);
  const isDepth = Number.isInteger(queueDepth) && queueDepth >= 1 && queueDepth <= QUEUE_DEPTH_MAX;
  check(`${name}.queueDepth`, queueDepth, `a whole number from 1 to ${QUEUE_DEPTH_MAX}`, isDepth);
}

/** Deepest queue: what NVMe drives profit from at most; chosen. */
const QUEUE_DEPTH_MAX = 256;

function check(setting: string, value: number, expected: string, holds: boolean): void {
  if (holds && Number.isFinite(value)) return;
  throw new MoeError(`${setting} is ${value}, expected ${expected}.`, {
    code: "BAD_SETTING",
    setting,
    value,
    expected,
  });
}

/** A link with no transfers on it. @throws MoeError `BAD_SETTING` */
export function newLinkState(name: string, options: LinkOptions): Float64Array {
  checkLink(name, options);
  return new Float64Array(new SharedArrayBuffer(8 * linkStateLength(options)));
}
