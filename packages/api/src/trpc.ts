import { randomUUID } from "node:crypto";
import { isDomainError } from "@fmlab/experiment";
import { initTRPC, TRPCError } from "@trpc/server";
import superjson from "superjson";
import { z } from "zod";
import { findRole, hasRole, type Role } from "./access/roles.ts";
import type { Actor } from "./audit.ts";
import type { Context, SessionUser } from "./context.ts";
import { ApiError, notFound, trpcCodeOf } from "./errors.ts";
import { plainText } from "./plain-text.ts";

/** Who may call a procedure; stated by its builder, and tested against an independent table. */
export interface Access {
  scope: "public" | "user" | "organization" | "project" | "run" | "config" | "agent";
  role?: Role;
}

const t = initTRPC
  .context<Context>()
  .meta<{ access: Access }>()
  .create({
    transformer: superjson,
    sse: {
      ping: { enabled: true, intervalMs: 15_000 },
      client: { reconnectAfterInactivityMs: 20_000 },
    },
    errorFormatter({ shape, error, ctx }) {
      const { cause } = error;
      // `failure` lets a client tell cases apart without reading texts.
      if (isDomainError(cause) && trpcCodeOf(cause.code) !== undefined) {
        return { ...shape, data: { ...shape.data, stack: undefined, failure: cause.failure } };
      }
      const isOurs = shape.data.httpStatus >= 500;
      if (!isOurs) {
        const message = cause instanceof z.ZodError ? z.prettifyError(cause) : shape.message;
        return { ...shape, message, data: { ...shape.data, stack: undefined, failure: null } };
      }
      const id = randomUUID().slice(0, 8);
      ctx?.platform.log("error", `${id} in ${shape.data.path ?? "a request"}`, cause ?? error);
      return {
        ...shape,
        message: `something went wrong on the server; its log has the details under ${id}`,
        data: { ...shape.data, stack: undefined, failure: null },
      };
    },
  });

/** Groups procedures. */
export const router = t.router;
/** Calls procedures without HTTP. */
export const createCallerFactory = t.createCallerFactory;

/** Failures become tRPC errors here and nowhere else. */
const mapped = t.procedure.use(async ({ next }) => {
  const result = await next();
  if (result.ok || !isDomainError(result.error.cause)) return result;
  const { cause } = result.error;
  const code = trpcCodeOf(cause.code) ?? "INTERNAL_SERVER_ERROR";
  throw new TRPCError({ code, message: cause.message, cause });
});

/** Anybody. */
export const publicProcedure = mapped.meta({ access: { scope: "public" } });

/** A signed-in user, in the browser or by a command-line token. */
export const userProcedure = mapped
  .meta({ access: { scope: "user" } })
  .use(({ ctx, next }) => next({ ctx: requireUser(ctx) }));

/** A user with at least `role` in the input's organisation. */
export const organizationProcedure = (role: Role) =>
  userProcedure
    .meta({ access: { scope: "organization", role } })
    .input(z.object({ organizationId: plainText(64).min(1) }))
    .use(async ({ ctx, input, next }) => {
      const { organizationId } = input;
      const own = await requireRole(ctx, organizationId, role, ["organisation", organizationId]);
      return next({ ctx: { organizationId, role: own } });
    });

/** As `organizationProcedure`, but never by a token: a leaked one must not make more of itself. */
export const managementProcedure = (role: Role) =>
  organizationProcedure(role).use(({ ctx, next }) => {
    requireSession(ctx);
    return next();
  });

/** A user with at least `role` in the organisation of the input's project. */
export const projectProcedure = (role: Role) =>
  userProcedure
    .meta({ access: { scope: "project", role } })
    .input(z.object({ projectId: z.uuid() }))
    .use(async ({ ctx, input, next }) => {
      const project = await ctx.platform.db.project.findUnique({ where: { id: input.projectId } });
      const own = await requireRole(ctx, project?.organizationId, role, [
        "project",
        input.projectId,
      ]);
      if (project === null) throw notFound("project", input.projectId);
      return next({ ctx: { organizationId: project.organizationId, project, role: own } });
    });

/** A user with at least `role` in the organisation of the input's run. */
export const runProcedure = (role: Role) =>
  userProcedure
    .meta({ access: { scope: "run", role } })
    .input(z.object({ runId: z.uuid() }))
    .use(async ({ ctx, input, next }) => {
      const run = await ctx.platform.db.run.findUnique({
        where: { id: input.runId },
        select: {
          projectId: true,
          attemptCount: true,
          project: { select: { organizationId: true } },
        },
      });
      const organizationId = run?.project.organizationId;
      const own = await requireRole(ctx, organizationId, role, ["run", input.runId]);
      if (run === null || organizationId === undefined) throw notFound("run", input.runId);
      const { projectId, attemptCount } = run;
      return next({
        ctx: { organizationId, role: own, run: { id: input.runId, projectId, attemptCount } },
      });
    });

/** An agent, by its token. */
export const agentProcedure = mapped.meta({ access: { scope: "agent" } }).use(({ ctx, next }) => {
  const { caller } = ctx;
  if (caller.kind === "agent") {
    const actor: Actor = { kind: "token", id: caller.tokenId };
    return next({ ctx: { agent: caller, organizationId: caller.organizationId, actor } });
  }
  if (caller.kind === "anonymous") throw unauthenticated(caller.problem);
  throw new ApiError("this needs an agent token: create one under Organisation, API tokens", {
    code: "ROLE_MISSING",
    need: "agent token",
    have: caller.kind,
  });
});

/** The context of a signed-in user. */
export interface UserContext extends Context {
  user: SessionUser;
  actor: Actor;
}

/** @throws ApiError `UNAUTHENTICATED` | `ROLE_MISSING` */
export function requireUser(ctx: Context): UserContext {
  const { caller } = ctx;
  switch (caller.kind) {
    case "session":
      return { ...ctx, user: caller.user, actor: { kind: "user", id: caller.user.id } };
    case "cli":
      return { ...ctx, user: caller.user, actor: { kind: "token", id: caller.tokenId } };
    case "agent":
      throw new ApiError("an agent token only works for agents: use a command-line token", {
        code: "ROLE_MISSING",
        need: "user",
        have: "agent token",
      });
    case "anonymous":
      throw unauthenticated(caller.problem);
  }
}

/** @throws ApiError `ROLE_MISSING` for a token, which must not make more of itself */
export function requireSession({ caller }: Context): void {
  if (caller.kind === "session") return;
  throw new ApiError(
    "a token may not manage organisations, members or tokens, nor read the audit: use the web page",
    { code: "ROLE_MISSING", need: "a signed-in user", have: "token" },
  );
}

/**
 * Checks the caller's role in the organisation that owns `resource`. What belongs to others looks
 * as if it did not exist.
 *
 * @throws ApiError `NOT_FOUND` | `ROLE_MISSING`
 */
export async function requireRole(
  ctx: UserContext,
  organizationId: string | undefined,
  need: Role,
  resource: readonly [noun: string, id: string],
): Promise<Role> {
  const { caller, platform, user } = ctx;
  const outside = caller.kind === "cli" && caller.organizationId !== organizationId;
  const own =
    organizationId === undefined || outside
      ? undefined
      : await findRole(platform.db, user.id, organizationId);
  if (own === undefined) throw notFound(...resource);
  if (hasRole(own, need)) return own;
  throw new ApiError(
    `this needs the role ${need}; you are ${own}. An owner or admin of the organisation can change it.`,
    { code: "ROLE_MISSING", need, have: own },
  );
}

function unauthenticated(problem: string | undefined): ApiError {
  return new ApiError(problem ?? "you are not signed in: sign in, or send a token", {
    code: "UNAUTHENTICATED",
  });
}
