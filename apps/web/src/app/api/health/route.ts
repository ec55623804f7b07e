import { handleHealth } from "@fmlab/api/server";

export const dynamic = "force-dynamic";

export const GET = (): Promise<Response> => handleHealth();
