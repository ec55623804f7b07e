/** One line of `fmlab doctor`. */
export interface Check {
  what: string;
  /** `ok`, `problem` (something cannot work) or `absent` (an option that is not used here). */
  status: "ok" | "problem" | "absent";
  /** What there is, or why not and what to do. */
  told: string;
}

/** Something that must work. */
export function required(what: string, isOk: boolean, told: string): Check {
  return { what, status: isOk ? "ok" : "problem", told };
}

/** Something that need not be there. */
export function optional(what: string, isThere: boolean, told: string): Check {
  return { what, status: isThere ? "ok" : "absent", told };
}
