"use client";

import { useLiveStatus } from "@/features/live/live-provider.tsx";

/** Says when the event stream is down; silent while all is well. */
export function LiveStatusSign() {
  const status = useLiveStatus();
  return (
    <div role="status" data-live={status} className="text-xs">
      {status === "down" && (
        <span className="inline-flex items-center gap-1.5 rounded bg-warn-soft px-2 py-1 text-warn">
          <span aria-hidden className="size-1.5 rounded-full bg-warn" />
          Reconnecting…
        </span>
      )}
    </div>
  );
}
