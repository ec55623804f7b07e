import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { checkClaims, loadClaims, loadRunFolders, renderVerdicts } from "@fmlab/stats";
import { usageError } from "../errors.ts";
import { repositoryRoot } from "../repository.ts";
import { EXIT } from "./exit-code.ts";
import { out, outJson } from "./terminal.ts";

/** `fmlab claims check`: what the run folders say of each claim; fails when one is contradicted. */
export async function claimsCheckCommand(
  dir: string | undefined,
  options: { runs: string; json: boolean },
): Promise<number> {
  const claims = await loadClaims(folder(dir ?? "claims", "claims"));
  const runs = await loadRunFolders(folder(options.runs, "run folders"));
  const verdicts = await checkClaims(claims, runs);
  if (options.json) outJson(verdicts);
  else out(renderVerdicts(verdicts).trimEnd());
  return verdicts.some((one) => one.verdict === "contradicted") ? EXIT.failed : EXIT.success;
}

/** Relative to where the command is called, else to the checkout. */
function folder(path: string, what: string): string {
  const found = [resolve(path), resolve(repositoryRoot, path)].find((one) => existsSync(one));
  if (found !== undefined) return found;
  throw usageError(`there is no folder ${path} with ${what}; name one`);
}
