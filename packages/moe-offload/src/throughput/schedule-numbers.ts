import type { StreamTimes } from "../prefill/stream-recorder.ts";
import type { ScheduleRecord } from "./messages.ts";

/** Generated tokens over the time of prompts and generation. */
export function tokensPerSecond({ decodeMs, prefillMs, tokens }: ScheduleRecord): number {
  return (1e3 * tokens) / (prefillMs + decodeMs);
}

/** Bytes that came over the link, prompts included. */
export function bytesPerToken({ decode, prefill, tokens }: ScheduleRecord): number {
  return (prefill.bytes + decode.bytes) / tokens;
}

/** Percent of the time in which computing waited for experts. */
export function bubbleShare(record: ScheduleRecord): number {
  const waitMs = (times: StreamTimes) => times.waitMs;
  const total = record.prefillMs + record.decodeMs;
  return share(waitMs(record.prefill) + waitMs(record.decode), total);
}

/** Percent; NaN of nothing. */
export function share(part: number, whole: number): number {
  return whole > 0 ? (100 * part) / whole : Number.NaN;
}
