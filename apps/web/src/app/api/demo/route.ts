import { handleDemo } from "@fmlab/api/server";

export const dynamic = "force-dynamic";

export const POST = (request: Request): Promise<Response> => handleDemo(request);
