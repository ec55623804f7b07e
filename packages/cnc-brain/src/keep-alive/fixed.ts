import { requireSetting } from "../errors.ts";
import { type KeepAliveFactory, keepFor } from "./keep-alive-policy.ts";

/** The usual 10 minutes (AWS Lambda's and OpenWhisk's default as the literature has it). */
export const FIXED_KEEP_MS = 600_000;

/** Keeps every idle container equally long; when memory is short the longest idle one goes. */
export function fixedKeepAlive(keepMs = FIXED_KEEP_MS): KeepAliveFactory {
  requireSetting(keepMs >= 0, "keepMs", keepMs, "at least 0");
  return () => ({
    name: "fixed",
    onIdle(container, nowMs) {
      container.priority = nowMs;
      return keepFor(keepMs);
    },
  });
}
