import type { ReactNode } from "react";
import { cn } from "@/ui/cn.ts";
import { HelpText } from "@/ui/help-text.tsx";

/** A titled part of a page. */
export function Panel({
  title,
  label = title,
  help,
  badge,
  actions,
  children,
  className,
  flush = false,
}: {
  title: string;
  /** Its name among the page's regions, where the title alone is not unique. */
  label?: string;
  help?: ReactNode;
  /** Beside the title: what holds of everything in the panel. */
  badge?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** Lets the content reach the panel's edges, for tables and lists. */
  flush?: boolean;
}) {
  return (
    <section
      aria-label={label}
      className={cn("min-w-0 rounded-lg border border-line bg-panel", className)}
    >
      <header className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2">
        <h2 className="font-semibold">{title}</h2>
        {badge}
        {actions !== undefined && <div className="ml-auto flex items-center gap-1">{actions}</div>}
        {help !== undefined && help !== "" && (
          <p className="basis-full text-xs text-muted">
            {typeof help === "string" ? <HelpText text={help} /> : help}
          </p>
        )}
      </header>
      <div className={flush ? "border-t border-line" : "px-4 pb-4"}>{children}</div>
    </section>
  );
}

/** A page's heading with its actions. */
export function PageHeader({
  title,
  subtitle,
  actions,
}: {
  title: ReactNode;
  subtitle?: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div className="mb-4 flex flex-wrap items-start gap-x-4 gap-y-2">
      <div className="min-w-0 flex-1 basis-64">
        <h1 className="text-lg leading-7 font-semibold">{title}</h1>
        {subtitle !== undefined && <div className="max-w-3xl text-muted">{subtitle}</div>}
      </div>
      {actions !== undefined && (
        <div className="flex flex-wrap items-center gap-1.5">{actions}</div>
      )}
    </div>
  );
}

/** Names and values, one pair a line. */
export function Facts({ facts }: { facts: [name: string, value: ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
