import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDb, type Db } from "../src/index.ts";
import { createTestDatabase } from "../src/testing.ts";
import { createAttempt } from "./create-attempt.ts";

const folder = path.resolve(import.meta.dirname, "..");
const prisma = (url: string, ...args: string[]) =>
  spawnSync(path.resolve(folder, "../../node_modules/.bin/prisma"), args, {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, DATABASE_URL: url },
  });

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Db;
beforeAll(async () => {
  database = await createTestDatabase();
  db = createDb(database.url);
});
afterAll(async () => {
  await db.$disconnect();
  await database.drop();
});

describe("migrations", () => {
  it("create a missing database, apply once, and agree with the schema", async () => {
    const url = new URL(database.url);
    const name = `deploy_${randomUUID().replaceAll("-", "")}`;
    url.pathname = `/${name}`;
    const first = prisma(url.toString(), "migrate", "deploy");
    expect(first.stdout + first.stderr).toContain("All migrations have been successfully applied");
    expect(first.status).toBe(0);
    const again = prisma(url.toString(), "migrate", "deploy");
    expect(again.stdout).toContain("No pending migrations");
    const differs = prisma(
      url.toString(),
      ...["migrate", "diff", "--from-migrations", "prisma/migrations"],
      ...["--to-schema", "prisma/schema.prisma", "--exit-code"],
    );
    expect(differs.stdout + differs.stderr).toContain("No difference detected");
    expect(differs.status).toBe(0);
    await db.$executeRawUnsafe(`DROP DATABASE "${name}" WITH (FORCE)`);
    const left = await db.$queryRaw<{ datname: string }[]>`
      SELECT datname FROM pg_database WHERE datname LIKE 'prisma_migrate_shadow%'`;
    expect(left).toEqual([]);
  }, 60_000);

  it("say so when the server is not there", () => {
    const failed = prisma("postgresql://nobody@127.0.0.1:1/none", "migrate", "deploy");
    expect(failed.status).not.toBe(0);
    expect(failed.stderr + failed.stdout).toContain("P1001");
  });
});

describe("a config revision", () => {
  it("refuses to be changed but lets its author and parent be deleted", async () => {
    const { runId } = await createAttempt(db);
    const { projectId } = await db.run.findUniqueOrThrow({ where: { id: runId } });
    const author = await db.user.create({
      data: { id: randomUUID(), name: "A", email: `${randomUUID()}@x.test` },
    });
    const config = await db.experimentConfig.create({
      data: { projectId, kind: "test.curve", name: "base" },
    });
    const save = (number: number, parentId?: string) =>
      db.configRevision.create({
        data: {
          experimentConfigId: config.id,
          number,
          config: { a: number },
          message: "",
          authorId: author.id,
          parentId: parentId ?? null,
        },
      });
    const first = await save(1);
    const second = await save(2, first.id);
    const change = (data: object) => db.configRevision.update({ where: { id: second.id }, data });
    await expect(change({ config: { a: 3 } })).rejects.toThrow(/immutable/);
    await expect(change({ message: "other" })).rejects.toThrow(/immutable/);
    await expect(change({ parentId: second.id })).rejects.toThrow(/immutable/);
    await db.configRevision.delete({ where: { id: first.id } });
    await db.user.delete({ where: { id: author.id } });
    const left = await db.configRevision.findUniqueOrThrow({ where: { id: second.id } });
    expect(left).toMatchObject({ parentId: null, authorId: null, config: { a: 2 } });
  });
});
