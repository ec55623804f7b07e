import { CircleAlert, Inbox } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/ui/button.tsx";
import { cn } from "@/ui/cn.ts";
import { sentence } from "@/ui/format/sentence.ts";

/** What a screen shows when there is nothing yet: what would be here and how to get it. */
export function EmptyState({
  title,
  children,
  action,
  className,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  className?: string;
}) {
  return (
    <div className={cn("flex flex-col items-center gap-2 px-4 py-10 text-center", className)}>
      <Inbox className="size-5 text-muted" aria-hidden />
      <p className="font-medium">{title}</p>
      {children !== undefined && <div className="max-w-md text-muted">{children}</div>}
      {action}
    </div>
  );
}

/** What a screen shows when its data did not come, with a way to try again. */
export function ErrorState({
  error,
  onRetry,
  what = "This could not be loaded",
  className,
}: {
  error: unknown;
  onRetry?: () => void;
  what?: string;
  className?: string;
}) {
  return (
    <div
      role="alert"
      className={cn("flex flex-col items-center gap-2 px-4 py-10 text-center", className)}
    >
      <CircleAlert className="size-5 text-bad" aria-hidden />
      <p className="font-medium">{what}</p>
      <p className="max-w-lg break-words text-muted">{sentence(messageOf(error))}</p>
      {onRetry !== undefined && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

/** Ragged like text, percent. */
const LINE_WIDTHS = [92, 69, 46, 73, 50, 77, 54, 81, 58, 85];

/** Grey bars where content will be. */
export function Loading({ lines = 4, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-2.5 p-4">
      {LINE_WIDTHS.slice(0, lines).map((width) => (
        <div key={width} className="h-4 rounded bg-raised" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

/** A remark beside the content: something to know (warn) or to mend (bad). */
export function Notice({
  tone,
  title,
  children,
}: {
  tone: "warn" | "bad" | "info";
  title: string;
  children?: ReactNode;
}) {
  const tones = {
    warn: "bg-warn-soft border-warn/35 [&_strong]:text-warn",
    bad: "bg-bad-soft border-bad/35 [&_strong]:text-bad",
    info: "bg-accent-soft border-accent/30 [&_strong]:text-accent",
  };
  return (
    <div className={cn("rounded-md border px-3 py-2", tones[tone])}>
      <strong className="font-medium">{title}</strong>
      {children !== undefined && <div className="mt-0.5 break-words">{children}</div>}
    </div>
  );
}

/** The text of an error for people. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) {
    return error.message === "Failed to fetch"
      ? "The server does not answer. Check that it is running, then try again."
      : error.message;
  }
  return "Something failed without saying what. Try again, and look at the server's log.";
}
