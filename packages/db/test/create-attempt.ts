import { randomUUID } from "node:crypto";
import type { Db } from "../src/index.ts";

/** A run with one attempt in a new organisation and project. */
export async function createAttempt(db: Db): Promise<{ runId: string; attemptId: string }> {
  const organization = await db.organization.create({
    data: { id: randomUUID(), name: "Lab", slug: randomUUID(), createdAt: new Date() },
  });
  const project = await db.project.create({
    data: { organizationId: organization.id, name: "Project" },
  });
  const run = await db.run.create({
    data: {
      projectId: project.id,
      kind: "test.curve",
      definitionVersion: 1,
      config: {},
      configHash: "0",
      seed: 1,
      fidelity: "simulated",
      launchId: randomUUID(),
      timeLimitSec: 60,
      maxAttempts: 1,
    },
  });
  const attempt = await db.attempt.create({ data: { runId: run.id, number: 1 } });
  return { runId: run.id, attemptId: attempt.id };
}
