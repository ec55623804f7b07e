import { MoeError } from "../errors.ts";
import { SCHEDULE_NAMES, type ScheduleName } from "./schedules.ts";

/**
 * Refuses schedules that this version does not run.
 * @throws MoeError `UNSUPPORTED_SCHEDULE`
 */
export function checkSchedules(schedules: readonly ScheduleName[]): void {
  if (!schedules.includes("klotski-q")) return;
  const supported = SCHEDULE_NAMES.filter((name) => name !== "klotski-q");
  throw new MoeError(
    "the schedule klotski-q loads quantised experts, which this version does not have for " +
      `groups; choose among ${supported.join(", ")}.`,
    { code: "UNSUPPORTED_SCHEDULE", schedule: "klotski-q", supported },
  );
}
