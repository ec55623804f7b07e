import { handleArtifactGet, handleArtifactPut } from "@fmlab/api/server";

export const dynamic = "force-dynamic";

/** The address's parts after `/api/artifacts/`, each decoded; null when one is not valid. */
function partsOf(request: Request): string[] | null {
  const parts = new URL(request.url).pathname.split("/").slice(3);
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return null;
  }
}

const unknown = (): Response => new Response("There is nothing at this address.", { status: 404 });

export async function GET(request: Request): Promise<Response> {
  const [artifactId, ...more] = partsOf(request) ?? [];
  if (artifactId === undefined || more.length > 0) return unknown();
  return handleArtifactGet(request, { artifactId });
}

export async function PUT(request: Request): Promise<Response> {
  const [runId, attemptNumber, name, ...more] = partsOf(request) ?? [];
  if (runId === undefined || attemptNumber === undefined) return unknown();
  if (name === undefined || more.length > 0) return unknown();
  return handleArtifactPut(request, { runId, attemptNumber, name });
}
