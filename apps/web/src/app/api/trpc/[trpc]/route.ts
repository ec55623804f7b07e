import { appRouter, createContext } from "@fmlab/api/server";
import { fetchRequestHandler } from "@trpc/server/adapters/fetch";

export const dynamic = "force-dynamic";

const handle = (request: Request): Promise<Response> =>
  fetchRequestHandler({
    endpoint: "/api/trpc",
    req: request,
    router: appRouter,
    createContext: () => createContext({ headers: request.headers }),
    // Queries come as POST too: a config may be larger than a URL can be.
    allowMethodOverride: true,
  });

export { handle as GET, handle as POST };
