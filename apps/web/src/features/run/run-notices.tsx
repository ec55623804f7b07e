"use client";

import { Notice } from "@/ui/status.tsx";
import { failureAdvice } from "./failure-advice.ts";
import type { RunDetail } from "./run-page.tsx";

/** Why the run waits, or why it failed and what to do. */
export function RunNotices({ run }: { run: RunDetail }) {
  return (
    <div className="mb-4 flex flex-col gap-2 empty:hidden">
      {run.queue !== null && run.state === "QUEUED" && <QueueNotice queue={run.queue} />}
      {run.failureCode !== null && run.state !== "SUCCEEDED" && (
        <FailureNotice code={run.failureCode} message={run.failureMessage} />
      )}
    </div>
  );
}

function QueueNotice({ queue }: { queue: NonNullable<RunDetail["queue"]> }) {
  const ahead = queue.position - 1;
  const place =
    ahead <= 0 ? "It is next in the queue." : `${ahead.toLocaleString("en-US")} ahead of it.`;
  if (queue.waitingFor === null) {
    return (
      <Notice tone="info" title="Waiting for a machine">
        {place} A machine that can run it is online.
      </Notice>
    );
  }
  return (
    <Notice tone="warn" title="No machine takes this run">
      {queue.waitingFor} {place}
    </Notice>
  );
}

function FailureNotice({ code, message }: { code: string; message: string | null }) {
  const { title, advice } = failureAdvice(code);
  return (
    <Notice tone={code === "CANCELLED" ? "info" : "bad"} title={title}>
      {message !== null && message !== "" && message.toLowerCase() !== title.toLowerCase() && (
        <p className="font-mono text-xs whitespace-pre-wrap">{message}</p>
      )}
      <p>{advice}</p>
    </Notice>
  );
}
