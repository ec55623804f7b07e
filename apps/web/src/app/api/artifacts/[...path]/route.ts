import { handleArtifactGet, handleArtifactPut } from "@fmlab/api/server";

export const dynamic = "force-dynamic";

/** The address's parts after `/api/artifacts/`, decoded; src/proxy.ts refuses what cannot be. */
const partsOf = (request: Request): string[] =>
  new URL(request.url).pathname.split("/").slice(3).map(decodeURIComponent);

const unknown = (): Response => new Response("There is nothing at this address.", { status: 404 });

export async function GET(request: Request): Promise<Response> {
  const [artifactId, ...more] = partsOf(request);
  if (artifactId === undefined || more.length > 0) return unknown();
  return handleArtifactGet(request, { artifactId });
}

export async function PUT(request: Request): Promise<Response> {
  const [runId, attemptNumber, name, ...more] = partsOf(request);
  if (runId === undefined || attemptNumber === undefined) return unknown();
  if (name === undefined || more.length > 0) return unknown();
  return handleArtifactPut(request, { runId, attemptNumber, name });
}
