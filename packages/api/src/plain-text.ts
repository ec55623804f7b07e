import { z } from "zod";

/** Free text of at most `max` characters that Postgres can hold: it knows no NUL. */
export const plainText = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !text.includes("\0"), {
      error: "holds a NUL character, which cannot be stored or looked up: leave it out",
    });
