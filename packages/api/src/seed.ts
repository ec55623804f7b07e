import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import type { Db } from "@fmlab/db";
import { z } from "zod";
import { createToken, type TokenUse, verifyToken } from "./access/tokens.ts";
import { createAuth } from "./auth.ts";
import { DEMO_EMAIL, demoPassword } from "./demo.ts";
import { logToStderr } from "./logger.ts";

/** `<home>/local.json`: what the command line and the local agent read. */
const localFileSchema = z.object({
  url: z.string(),
  agentToken: z.string(),
  cliToken: z.string(),
  organizationId: z.string(),
  projectId: z.string(),
});
export type LocalFile = z.infer<typeof localFileSchema>;

/** What the seed depends on. */
export interface SeedOptions {
  /** Folder of local.json. */
  home: string;
  url: string;
  /** The server's AUTH_SECRET. */
  secret: string;
}

/**
 * Makes a fresh installation usable: demo user, organisation "Local lab", project "Getting started"
 * and tokens in `<home>/local.json` (0600). Changes nothing that is there; tokens that work are
 * kept.
 */
export async function seedLocal(db: Db, options: SeedOptions): Promise<LocalFile> {
  const userId = await ensureDemoUser(db, options);
  const { organizationId, projectId } = await ensureProject(db, userId);
  const file = path.join(options.home, "local.json");
  const known = await readLocal(file);
  const token = async (use: TokenUse, secret: string | undefined) => {
    const verified = secret ? await verifyToken(db, secret) : undefined;
    if (secret && verified?.use === use && verified.organizationId === organizationId)
      return secret;
    const name = use === "agent" ? "Local agent" : "Local command line";
    await db.apiToken.deleteMany({ where: { organizationId, use, name } });
    return (await createToken(db, { organizationId, userId, use, name })).secret;
  };
  const local: LocalFile = {
    url: options.url,
    agentToken: await token("agent", known?.agentToken),
    cliToken: await token("cli", known?.cliToken),
    organizationId,
    projectId,
  };
  await writePrivate(file, `${JSON.stringify(local, null, 2)}\n`);
  return local;
}

/** Also puts the password right when AUTH_SECRET has changed. */
async function ensureDemoUser(db: Db, { secret, url }: SeedOptions): Promise<string> {
  const auth = createAuth(db, { secret, url, rateLimit: false, log: logToStderr });
  const password = demoPassword(secret);
  const known = await db.user.findUnique({ where: { email: DEMO_EMAIL } });
  if (known === null) {
    const body = { email: DEMO_EMAIL, name: "Demo user", password };
    return (await auth.api.signUpEmail({ body })).user.id;
  }
  const context = await auth.$context;
  const account = await db.account.findFirst({
    where: { userId: known.id, providerId: "credential" },
  });
  const hash = account?.password;
  const isRight = hash ? await context.password.verify({ hash, password }) : false;
  if (!isRight) {
    await context.internalAdapter.updatePassword(known.id, await context.password.hash(password));
  }
  return known.id;
}

async function ensureProject(
  db: Db,
  userId: string,
): Promise<{ organizationId: string; projectId: string }> {
  return db.$transaction(async (tx) => {
    // Two starts at once must not both create.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('fmlab seed', 0))`;
    const now = new Date();
    const { id: organizationId } = await tx.organization.upsert({
      where: { slug: "local-lab" },
      create: { id: randomUUID(), name: "Local lab", slug: "local-lab", createdAt: now },
      update: {},
    });
    await tx.member.upsert({
      where: { organizationId_userId: { organizationId, userId } },
      create: { id: randomUUID(), organizationId, userId, role: "owner", createdAt: now },
      update: {},
    });
    const oldest = await tx.project.findFirst({
      where: { organizationId },
      orderBy: { createdAt: "asc" },
    });
    const project =
      oldest ?? (await tx.project.create({ data: { organizationId, name: "Getting started" } }));
    return { organizationId, projectId: project.id };
  });
}

async function readLocal(file: string): Promise<Partial<LocalFile> | undefined> {
  try {
    return localFileSchema.partial().parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    // Missing or damaged: it is written anew.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Replaces the file in one step; never readable by others, also not for a moment. */
async function writePrivate(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const next = `${file}.${process.pid}.tmp`;
  const handle = await open(next, "w", 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
  await rename(next, file);
}
