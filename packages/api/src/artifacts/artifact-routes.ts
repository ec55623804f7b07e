import { randomUUID } from "node:crypto";
import { isDomainError, LIMITS } from "@fmlab/experiment";
import { TRPCError } from "@trpc/server";
import { getHTTPStatusCodeFromError } from "@trpc/server/http";
import { z } from "zod";
import { type Context, createPlatformContext } from "../context.ts";
import { ApiError, notFound, trpcCodeOf } from "../errors.ts";
import type { Platform } from "../platform.ts";
import { isAttemptLive } from "../run-state.ts";
import { requireRole, requireUser } from "../trpc.ts";
import { assertSize, readArtifact, storeArtifact } from "./store-artifact.ts";

const putSchema = z.object({
  runId: z.uuid(),
  attemptNumber: z.coerce.number().pipe(z.int32().min(1)),
  name: z
    .string()
    .min(1)
    .max(200)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
    .regex(/^[^\u0000-\u001f\u007f\\]+$/, "must not hold control characters or backslashes")
    .refine((name) => !name.startsWith("/") && !name.split("/").includes(".."), {
      message: "must be a relative path without `..`",
    }),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hexadecimal digits"),
  contentType: z
    .string()
    .max(200)
    .regex(/^[\w.+-]+\/[\w.+-]+(;\s*[\w.+-]+=[\w.+"-]+)*$/, "must look like text/plain")
    .default("application/octet-stream"),
});

/**
 * PUT /api/artifacts/<runId>/<attemptNumber>/<name>?sha256=<hex>&contentType=<type>, body: the
 * file.
 */
export async function putArtifact(
  platform: Platform,
  request: Request,
  params: { runId: string; attemptNumber: string; name: string },
): Promise<Response> {
  return answer(platform, async () => {
    const query = Object.fromEntries(new URL(request.url).searchParams);
    const parsed = putSchema.safeParse({ ...query, ...params });
    if (!parsed.success) throw badInput(parsed.error);
    const ctx = await createPlatformContext(platform, request.headers);
    const { runId, attemptNumber, ...file } = parsed.data;
    const attemptId = await writableAttempt(ctx, runId, attemptNumber);
    const announced = Number(request.headers.get("content-length") ?? 0);
    assertSize(announced);
    const upload = { runId, attemptId, ...file };
    const stored = await storeArtifact(platform.db, upload, piecesOf(request.body));
    return Response.json(stored, { status: stored.created ? 201 : 200 });
  }).finally(() => void drain(request.body));
}

/**
 * The body's pieces; it stays open when the reader stops early, so that `drain` can read the rest.
 */
async function* piecesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  yield* body.values({ preventCancel: true });
}

/**
 * Reads what is left of a body. An answer given before the sender has finished would otherwise be
 * lost with the connection; a sender that goes on beyond the size limit is cut off.
 */
async function drain(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (body === null || body.locked) return;
  try {
    let left = LIMITS.artifactBytes;
    for await (const bytes of body.values()) {
      left -= bytes.length;
      if (left < 0) return;
    }
  } catch {
    // The sender has gone; there is nobody to answer.
  }
}

/** GET /api/artifacts/<artifactId>: the file, always as a download. */
export async function getArtifact(
  platform: Platform,
  request: Request,
  params: { artifactId: string },
): Promise<Response> {
  return answer(platform, async () => {
    const ctx = requireUser(await createPlatformContext(platform, request.headers));
    const { artifactId } = params;
    const isId = z.uuid().safeParse(artifactId).success;
    const artifact = isId
      ? await platform.db.artifact.findUnique({
          where: { id: artifactId, complete: true },
          include: { run: { select: { project: { select: { organizationId: true } } } } },
        })
      : null;
    const owner = artifact?.run.project.organizationId;
    await requireRole(ctx, owner, "viewer", ["artifact", artifactId]);
    if (artifact === null) throw notFound("artifact", artifactId);
    const fileName = artifact.name.split("/").at(-1) ?? "artifact";
    return new Response(readArtifact(platform.db, artifactId), {
      headers: {
        "content-type": artifact.contentType,
        "content-length": String(artifact.sizeBytes),
        "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(fileName)}`,
        // An experiment's file is not ours: a browser must never run it in this page's name.
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, max-age=31536000, immutable",
        etag: `"${artifact.sha256}"`,
      },
    });
  });
}

/**
 * The attempt that the caller may add files to: its own live one for an agent, an imported run's
 * for a member.
 */
async function writableAttempt(
  ctx: Context,
  runId: string,
  attemptNumber: number,
): Promise<string> {
  const attempt = await ctx.platform.db.attempt.findUnique({
    where: { runId_number: { runId, number: attemptNumber } },
    include: { run: { include: { project: true } } },
  });
  const organizationId = attempt?.run.project.organizationId;
  const { caller } = ctx;
  if (caller.kind === "agent") {
    if (attempt === null || caller.organizationId !== organizationId) throw notFound("run", runId);
    if (attempt.run.attemptCount === attemptNumber && isAttemptLive(attempt.state))
      return attempt.id;
    throw new ApiError(`attempt ${attemptNumber} is over: nothing can be added to it`, {
      code: "FENCED",
      runId,
      attemptNumber,
    });
  }
  await requireRole(requireUser(ctx), organizationId, "member", ["run", runId]);
  if (attempt === null) throw notFound("run", runId);
  if (attempt.run.importKey !== null) return attempt.id;
  throw new ApiError("only the machine that runs it adds files to a run of the queue", {
    code: "ROLE_MISSING",
    need: "agent token",
    have: caller.kind,
  });
}

async function answer(platform: Platform, handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    const code = isDomainError(error) ? trpcCodeOf(error.code) : undefined;
    if (isDomainError(error) && code !== undefined) {
      const status = getHTTPStatusCodeFromError(new TRPCError({ code }));
      return Response.json({ message: error.message, failure: error.failure }, { status });
    }
    const id = randomUUID().slice(0, 8);
    platform.log("error", `${id} in an artifact route`, error);
    const message = `something went wrong on the server; its log has the details under ${id}`;
    return Response.json({ message, failure: null }, { status: 500 });
  }
}

function badInput(error: z.ZodError): ApiError {
  const issue = error.issues[0];
  const field = issue?.path.join(".") ?? "";
  return new ApiError(`${field}: ${issue?.message}`, { code: "BAD_REQUEST", field });
}
