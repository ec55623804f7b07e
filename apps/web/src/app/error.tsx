"use client";

import { ErrorState } from "@/ui/status.tsx";

export default function PageError({ error, reset }: { error: Error; reset: () => void }) {
  return (
    <main>
      <ErrorState what="This page failed" error={error} onRetry={reset} />
    </main>
  );
}
