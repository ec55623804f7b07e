import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeFactsSchema } from "@fmlab/experiment";
import { z } from "zod";

/** `bundle.json` at the root of a bundle: what it was made from and what is inside. */
export const bundleRecordSchema = z.object({
  format: z.literal(1),
  /** The checkout it was made from; run records of the bundle name it as their code. */
  code: codeFactsSchema,
  platform: z.string(),
  gpu: z.enum(["none", "cuda", "vulkan"]),
  ggml: z.object({
    source: z.string(),
    cuda: z.object({ architecture: z.number().nullable(), clearedBytes: z.number() }).optional(),
  }),
  /** Packages of others inside the JavaScript, in order of name. */
  packages: z.array(z.string()),
  /** Version of the Node inside; null when the machine's own is used. */
  node: z.string().nullable(),
});
export type BundleRecord = z.infer<typeof bundleRecordSchema>;

/** The record of the bundle at `root`; undefined when `root` is no bundle. */
export async function readBundleRecord(root: string): Promise<BundleRecord | undefined> {
  const text = await readFile(join(root, "bundle.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : bundleRecordSchema.parse(JSON.parse(text));
}
