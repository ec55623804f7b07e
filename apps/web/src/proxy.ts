import type { NextRequest } from "next/server";

/**
 * Requests without a body whose address holds an escape. Those with a body must not pass here: Next
 * keeps only their first 10 MB.
 */
export const config = {
  matcher: [
    {
      source: "/api/(.*%.*)",
      missing: [
        { type: "header", key: "content-length" },
        { type: "header", key: "transfer-encoding" },
      ],
    },
  ],
};

/** Answers 404 to an address whose escapes are no text: Next's own routing would answer 500. */
export function proxy(request: NextRequest): Response | undefined {
  try {
    decodeURIComponent(new URL(request.url).pathname);
    return undefined;
  } catch {
    return new Response("There is nothing at this address.", { status: 404 });
  }
}
