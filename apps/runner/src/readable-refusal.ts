import { z } from "zod";

const issuesSchema = z
  .array(
    z.object({
      message: z.string(),
      path: z.array(z.union([z.string(), z.number()])).default([]),
    }),
  )
  .min(1);

/**
 * A refusal of an input in words: a server may tell the fields that are wrong as JSON. Any other
 * text stays as it is.
 */
export function readableRefusal(message: string): string {
  const issues = issuesSchema.safeParse(parsed(message));
  if (!issues.success) return message;
  const told = issues.data.map((one) => {
    const field = one.path.join(".");
    return field === "" ? one.message : `${field}: ${one.message}`;
  });
  return `the server refuses this: ${told.join("; ")}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
