import { cn } from "@/ui/cn.ts";

/** Whether a machine answers, as a dot with its word. */
export function OnlineSign({ online }: { online: boolean }) {
  return (
    <span
      className={cn("inline-flex items-center gap-1.5 text-xs", online ? "text-ok" : "text-muted")}
    >
      <span
        aria-hidden
        className={cn("size-2 rounded-full", online ? "bg-ok" : "border border-muted")}
      />
      {online ? "online" : "offline"}
    </span>
  );
}
