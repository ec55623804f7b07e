import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { type Claim, claimSchema } from "@fmlab/experiment";
import { StatsError } from "../errors.ts";

/** A claim with the name of its file, without `.json`. */
export interface NamedClaim {
  slug: string;
  claim: Claim;
}

/**
 * Reads every `*.json` of a folder as a claim, in order of name.
 *
 * @throws StatsError `BAD_CLAIM` naming the file and every wrong field
 */
export async function loadClaims(dir: string): Promise<NamedClaim[]> {
  const names = (await listFolder(dir)).filter((name) => name.endsWith(".json")).sort();
  return Promise.all(
    names.map(async (name) => ({
      slug: name.slice(0, -".json".length),
      claim: parseClaim(name, await readFile(path.join(dir, name), "utf8")),
    })),
  );
}

/** @throws StatsError `BAD_CLAIM` naming the file and every wrong field */
export function parseClaim(file: string, text: string): Claim {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw badClaim(file, `is not JSON (${(cause as Error).message})`, cause);
  }
  const parsed = claimSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `${issue.path.join(".") || "the claim"}: ${issue.message}`,
  );
  throw badClaim(file, problems.join("; "), parsed.error);
}

async function listFolder(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (cause) {
    throw badClaim(dir, "the folder of claims cannot be read; create it or name another", cause);
  }
}

function badClaim(file: string, problem: string, cause: unknown): StatsError {
  return new StatsError(
    `claim ${file}: ${problem}`,
    { code: "BAD_CLAIM", file, problem },
    { cause },
  );
}
