import { type ReactNode, useId } from "react";
import { cn } from "@/ui/cn.ts";

/** A label above its control, and what is wrong below it. */
export function Labelled({
  label,
  problem,
  children,
  className,
}: {
  label: string;
  problem?: string | undefined;
  /** Draws the control with the id that the label names. */
  children: (id: string) => ReactNode;
  className?: string;
}) {
  const id = useId();
  return (
    <div className={cn("flex flex-col gap-1", className)}>
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {children(id)}
      {problem !== undefined && <p className="text-xs text-bad">{problem}</p>}
    </div>
  );
}
