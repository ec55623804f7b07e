import { availableParallelism } from "node:os";
import path from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// Files share their workers' modules, so that each is loaded once; what uses native code, Postgres
// or child processes runs in forks instead of threads.
const pure = (name: string, root: string) => ({
  test: { name, root, include: ["test/**/*.test.ts"], pool: "threads" as const, isolate: false },
});
const forked = (name: string, root: string, globalSetup: string[] = []) => ({
  test: {
    name,
    root,
    globalSetup,
    include: ["test/**/*.test.ts"],
    pool: "forks" as const,
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
const postgres = [path.resolve("tooling/vitest-postgres.ts")];

// The whole product, started as users start it, and killed part by part.
const product = {
  test: {
    name: "product",
    root: "tooling/product",
    include: ["*.test.ts"],
    pool: "forks" as const,
  },
};

/** Files that mostly wait begin first, so that the others fill the time. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ project }: TestSpecification) => (project.name === "runner" ? 0 : 1);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    // Fault tests wait for leases to lapse and for processes to start as much as they compute.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    projects: [
      pure("experiment", "packages/experiment"),
      pure("stats", "packages/stats"),
      pure("sim", "packages/sim"),
      pure("registry", "packages/registry"),
      forked("ggml", "packages/ggml"),
      forked("moe-offload", "packages/moe-offload"),
      forked("shard-chain", "packages/shard-chain"),
      forked("cnc-brain", "packages/cnc-brain"),
      forked("db", "packages/db", postgres),
      forked("api", "packages/api", postgres),
      forked("runner", "apps/runner", postgres),
      pure("web", "apps/web"),
      forked("repository", "tooling"),
      product,
    ],
  },
});
