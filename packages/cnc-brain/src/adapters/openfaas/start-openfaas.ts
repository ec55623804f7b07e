import { z } from "zod";
import { badDocument } from "../errors.ts";
import type { StartedServer } from "../start-brain.ts";
import type { Timekeeper } from "../timekeeper.ts";
import { FunctionCatalogue } from "./catalogue.ts";
import type { FunctionProgram } from "./function-process.ts";
import { LocalHost } from "./local-host.ts";
import { OpenFaasProvider, type ProviderOptions } from "./provider.ts";

/** What `fmlab brain openfaas` is told. */
export interface OpenFaasSettings extends ProviderOptions {
  /** JSON: programs by image, `{"command": [...], "mode": "http" | "process"}`. */
  images: unknown;
  allowsCommands: boolean;
  namespaces: readonly string[];
  cores: number;
  replicasMax: number;
}

const imageFields = z.record(
  z.string(),
  z.strictObject({
    command: z.array(z.string()).min(1),
    mode: z.enum(["http", "process"]).default("process"),
  }),
);

/**
 * Serves OpenFaaS's API over processes of this machine.
 *
 * @throws AdapterError `BAD_DOCUMENT`
 */
export async function startOpenFaas(
  settings: OpenFaasSettings,
  time: Timekeeper,
): Promise<StartedServer> {
  const parsed = imageFields.safeParse(settings.images);
  if (!parsed.success) throw badDocument("the images document", z.prettifyError(parsed.error));
  const programs: Record<string, FunctionProgram> = parsed.data;
  const { namespaces, cores, replicasMax, allowsCommands } = settings;
  const catalogue = new FunctionCatalogue(programs, allowsCommands);
  const host = new LocalHost({ catalogue, time, namespaces, cores, replicasMax });
  const provider = new OpenFaasProvider(settings, host);
  return { address: await provider.start(), stop: () => provider.stop() };
}
