import { MISSING } from "./number.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration in its two largest units: `840 ms`, `12.4 s`, `3 m 05 s`, `2 h 10 m`, `3 d 4 h`. */
export function formatDuration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return MISSING;
  if (ms < 0) return "0 ms";
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  // Rounding first keeps 59.96 s from becoming "60.0 s".
  if (Math.round(ms / 100) * 100 < MINUTE) return `${(ms / SECOND).toFixed(1)} s`;
  const whole = Math.round(ms / SECOND) * SECOND;
  const pad = (n: number) => String(n).padStart(2, "0");
  if (whole < HOUR) {
    return `${Math.floor(whole / MINUTE)} m ${pad(Math.floor((whole % MINUTE) / SECOND))} s`;
  }
  if (whole < DAY)
    return `${Math.floor(whole / HOUR)} h ${pad(Math.floor((whole % HOUR) / MINUTE))} m`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

/** How long ago: `just now`, `5 min ago`, `3 h ago`, `2 d ago`, then the date. */
export function formatAgo(at: Date, now: Date): string {
  const ms = now.getTime() - at.getTime();
  if (ms < 0) return formatAhead(-ms, at);
  if (ms < 10 * SECOND) return "just now";
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  if (ms < 14 * DAY) return `${Math.floor(ms / DAY)} d ago`;
  return formatDate(at);
}

function formatAhead(ms: number, at: Date): string {
  // Clocks of two machines differ a little: the near future is now.
  if (ms < MINUTE) return "just now";
  if (ms < HOUR) return `in ${Math.floor(ms / MINUTE)} min`;
  if (ms < DAY) return `in ${Math.floor(ms / HOUR)} h`;
  if (ms < 14 * DAY) return `in ${Math.floor(ms / DAY)} d`;
  return formatDate(at);
}

/** `2026-11-23`, in the reader's time zone. */
export function formatDate(at: Date): string {
  const pad = (n: number) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** `2026-11-23 14:05:09`, in the reader's time zone. */
export function formatDateTime(at: Date): string {
  const pad = (n: number) => String(n).padStart(2, "0");
  return `${formatDate(at)} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** Time since a start as in logs: `00:12.345`, `1:02:03.004`. */
export function formatClock(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const pad = (n: number, width = 2) => String(n).padStart(width, "0");
  const hours = Math.floor(whole / HOUR);
  const rest = `${pad(Math.floor((whole % HOUR) / MINUTE))}:${pad(
    Math.floor((whole % MINUTE) / SECOND),
  )}.${pad(whole % SECOND, 3)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
