import { storableText } from "@fmlab/db";
import { z } from "zod";

/** A name that people give to something: one line, not blank. */
export const nameSchema = z
  .string()
  .transform((name) => storableText(name).replace(/\s+/g, " ").trim())
  .pipe(z.string().min(1, "give it a name").max(100));
