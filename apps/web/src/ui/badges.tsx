import type { Fidelity } from "@fmlab/experiment";
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleX,
  Hourglass,
  type LucideIcon,
  PlayCircle,
  TimerOff,
} from "lucide-react";
import type { ReactNode } from "react";
import { cn } from "@/ui/cn.ts";

const STATES: Record<string, { name: string; tone: string; icon: LucideIcon }> = {
  QUEUED: { name: "Queued", tone: "text-muted", icon: CircleDashed },
  CLAIMED: { name: "Starting", tone: "text-accent", icon: Hourglass },
  RUNNING: { name: "Running", tone: "text-accent", icon: PlayCircle },
  CANCELLING: { name: "Cancelling", tone: "text-warn", icon: Hourglass },
  SUCCEEDED: { name: "Succeeded", tone: "text-ok", icon: CircleCheck },
  FAILED: { name: "Failed", tone: "text-bad", icon: CircleX },
  CANCELLED: { name: "Cancelled", tone: "text-muted", icon: Ban },
  TIMED_OUT: { name: "Timed out", tone: "text-bad", icon: TimerOff },
  LOST: { name: "Host lost", tone: "text-bad", icon: CircleX },
};

/** The name of a run's or attempt's state for people. */
export const stateName = (state: string): string => STATES[state]?.name ?? state;

/** A run's state: shape and word, so that colour is never the only sign. */
export function StateBadge({ state, className }: { state: string; className?: string }) {
  const {
    name,
    tone,
    icon: Icon,
  } = STATES[state] ?? {
    name: state,
    tone: "text-muted",
    icon: CircleDashed,
  };
  return (
    <span
      data-state={state}
      className={cn("inline-flex items-center gap-1.5 whitespace-nowrap", tone, className)}
    >
      <Icon className="size-3.5 shrink-0" aria-hidden />
      {name}
    </span>
  );
}

const FIDELITY: Record<Fidelity, string> = {
  measured: "Real work on real hardware.",
  emulated: "Real work with an imposed limit, e.g. a throttled link or a memory budget.",
  simulated: "Virtual time: computed by a simulator, not timed on hardware.",
};

/** How a number came to be; shown wherever the number is shown. */
export function FidelityBadge({ fidelity }: { fidelity: string }) {
  const help = FIDELITY[fidelity as Fidelity];
  return <Tag title={help}>{fidelity}</Tag>;
}

/** A small neutral label. */
export function Tag({
  children,
  title,
  className,
}: {
  children: ReactNode;
  title?: string;
  className?: string;
}) {
  return (
    <span
      title={title}
      className={cn(
        "inline-flex h-5 items-center rounded border border-line bg-raised px-1.5 text-xs whitespace-nowrap text-muted",
        className,
      )}
    >
      {children}
    </span>
  );
}
