import { authHandler } from "@fmlab/api/server";

export const dynamic = "force-dynamic";

const handle = (request: Request): Promise<Response> => authHandler(request);

export { handle as GET, handle as POST };
