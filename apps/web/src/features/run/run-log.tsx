"use client";

import { ArrowDownToLine, Download } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { toast } from "sonner";
import { shortId } from "@/features/runs/run-name.tsx";
import { Button } from "@/ui/button.tsx";
import { downloadText } from "@/ui/download.ts";
import { Input, Select } from "@/ui/fields.tsx";
import { plural } from "@/ui/format/number.ts";
import { EmptyState, ErrorState, Loading, messageOf } from "@/ui/status.tsx";
import { atLeast, type LogLineRow } from "./log-lines.ts";
import { LogView } from "./log-view.tsx";
import type { RunDetail } from "./run-page.tsx";
import { useFollowedLog, useLogDownload, useLogSearch } from "./use-run-log.ts";

/** The log: followed as it grows, searched, by level and attempt, and as a file. */
export function RunLog({ run, isLive }: { run: RunDetail; isLive: boolean }) {
  const [attempt, setAttempt] = useState<number | undefined>(undefined);
  const [level, setLevel] = useState<LogLineRow["level"]>("debug");
  const [search, setSearch] = useState("");
  const [follow, setFollow] = useState(true);
  const wanted = useDeferredValue(search.trim());
  const followed = useFollowedLog(run.id, attempt);
  const found = useLogSearch(run.id, attempt, wanted);
  const query = wanted === "" ? followed : found;
  const lines = atLeast(query.data?.lines ?? [], level);
  return (
    <section aria-label="Log" className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <Input
          type="search"
          aria-label="Search the log"
          placeholder="Search the log"
          className="w-full sm:w-60"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <Select
          aria-label="Lowest level"
          value={level}
          onChange={(event) => setLevel(event.target.value as LogLineRow["level"])}
        >
          <option value="debug">All levels</option>
          <option value="info">Info and above</option>
          <option value="warn">Warnings and errors</option>
          <option value="error">Errors</option>
        </Select>
        {run.attempts.length > 1 && (
          <AttemptSelect {...{ attempt, setAttempt }} attempts={run.attempts} />
        )}
        <Button
          aria-pressed={follow}
          onClick={() => setFollow(!follow)}
          className="aria-pressed:border-accent aria-pressed:text-accent"
        >
          <ArrowDownToLine aria-hidden /> Follow
        </Button>
        <DownloadButton run={run} attempt={attempt} />
        <p role="status" className="ml-auto text-xs text-muted">
          {query.data !== undefined &&
            (wanted === ""
              ? `Showing ${lines.length.toLocaleString("en-US")} of ${plural(query.data.total, "line")}`
              : `${plural(lines.length, "line")} found`)}
        </p>
      </div>
      {query.isPending ? (
        <Loading lines={8} label="Loading the log" />
      ) : query.isError ? (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      ) : lines.length === 0 ? (
        <EmptyState
          title={emptyTitle(wanted, level, isLive)}
          className="rounded-lg border border-line"
        />
      ) : (
        <LogView
          lines={lines}
          follow={follow && wanted === ""}
          onLeaveEnd={() => setFollow(false)}
        />
      )}
    </section>
  );
}

function emptyTitle(search: string, level: string, isLive: boolean): string {
  if (search !== "") return "No line holds this text";
  if (isLive) return "Nothing logged yet";
  return `This run logged nothing${level === "debug" ? "" : " at this level"}`;
}

function AttemptSelect({
  attempt,
  setAttempt,
  attempts,
}: {
  attempt: number | undefined;
  setAttempt: (attempt: number | undefined) => void;
  attempts: RunDetail["attempts"];
}) {
  return (
    <Select
      aria-label="Attempt"
      value={attempt ?? ""}
      onChange={(event) =>
        setAttempt(event.target.value === "" ? undefined : Number(event.target.value))
      }
    >
      <option value="">Latest attempt</option>
      {attempts.map(({ number }) => (
        <option key={number} value={number}>
          Attempt {number}
        </option>
      ))}
    </Select>
  );
}

function DownloadButton({ run, attempt }: { run: RunDetail; attempt: number | undefined }) {
  const [busy, setBusy] = useState(false);
  const fetchAll = useLogDownload(run.id, attempt);
  const download = async () => {
    setBusy(true);
    try {
      downloadText(`${run.kind}-${shortId(run.id)}.log`, await fetchAll(), "text/plain");
    } catch (error) {
      toast.error(messageOf(error));
    }
    setBusy(false);
  };
  return (
    <Button disabled={busy} onClick={() => void download()}>
      <Download aria-hidden /> Download
    </Button>
  );
}
