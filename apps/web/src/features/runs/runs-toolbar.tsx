"use client";

import { experiments } from "@fmlab/registry";
import { ListFilter, Search, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { stateName } from "@/ui/badges.tsx";
import { Button } from "@/ui/button.tsx";
import { Input } from "@/ui/fields.tsx";
import { plural } from "@/ui/format/number.ts";
import { Menu, MenuCheck, MenuLabel } from "@/ui/menu.tsx";
import { RUN_STATES } from "@/ui/run-states.ts";
import { ColumnChooser } from "./column-chooser.tsx";
import type { RunsView } from "./runs-url.ts";
import type { useMetricColumns } from "./use-runs.ts";

interface ToolbarProps {
  view: RunsView;
  change: (changed: Partial<RunsView>) => void;
  metrics: ReturnType<typeof useMetricColumns>;
  shown: number;
  total: { count: number; capped: boolean } | undefined;
}

/** Search, filters, columns, and an honest count. */
export function RunsToolbar({ view, change, metrics, shown, total }: ToolbarProps) {
  return (
    <div className="mb-3 flex flex-wrap items-center gap-2">
      <SearchField value={view.search} onChange={(search) => change({ search })} />
      <StateFilter {...{ view, change }} />
      <KindFilter {...{ view, change }} />
      <ColumnChooser
        keys={metrics.keys.data ?? []}
        chosen={metrics.columns}
        onChange={(columns) => change({ columns })}
      />
      {view.launchId !== null && (
        <Chip onRemove={() => change({ launchId: null })}>launch {view.launchId.slice(0, 8)}</Chip>
      )}
      {view.configHash !== null && (
        <Chip onRemove={() => change({ configHash: null })}>
          config {view.configHash.slice(0, 8)}
        </Chip>
      )}
      <p role="status" className="ml-auto text-xs text-muted">
        {total !== undefined &&
          `Showing ${shown.toLocaleString("en-US")} of ${total.capped ? "more than " : ""}${plural(total.count, "run")}`}
      </p>
    </div>
  );
}

/** Typing waits a moment before it becomes a search; "/" leads here. */
function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const [seen, setSeen] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  if (seen !== value) {
    setSeen(value);
    setTyped(value);
  }
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => onChange(typed), 200);
    return () => clearTimeout(timer);
  }, [typed, value, onChange]);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const inField = (event.target as HTMLElement).closest("input, textarea, select");
      if (event.key !== "/" || inField !== null) return;
      event.preventDefault();
      input.current?.focus();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return (
    <div className="relative w-full sm:w-64">
      <Search aria-hidden className="absolute top-2 left-2.5 size-4 text-muted" />
      <Input
        ref={input}
        type="search"
        aria-label="Search runs"
        placeholder="Search  /"
        className="pl-8"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
    </div>
  );
}

function StateFilter({ view, change }: Pick<ToolbarProps, "view" | "change">) {
  const { states } = view;
  return (
    <Menu trigger={<FilterButton name="State" count={states.length} />}>
      {RUN_STATES.map((state) => (
        <MenuCheck
          key={state}
          checked={states.includes(state)}
          onCheckedChange={(on) =>
            change({ states: on ? [...states, state] : states.filter((s) => s !== state) })
          }
        >
          {stateName(state)}
        </MenuCheck>
      ))}
    </Menu>
  );
}

function KindFilter({ view, change }: Pick<ToolbarProps, "view" | "change">) {
  const { kinds } = view;
  return (
    <Menu trigger={<FilterButton name="Experiment" count={kinds.length} />}>
      <MenuLabel>Experiments</MenuLabel>
      {[...experiments.values()].map(({ kind, title }) => (
        <MenuCheck
          key={kind}
          checked={kinds.includes(kind)}
          onCheckedChange={(on) =>
            change({ kinds: on ? [...kinds, kind] : kinds.filter((k) => k !== kind) })
          }
        >
          {title}
        </MenuCheck>
      ))}
    </Menu>
  );
}

function FilterButton({
  name,
  count,
  ...rest
}: { name: string; count: number } & React.ComponentProps<"button">) {
  return (
    <Button {...rest}>
      <ListFilter aria-hidden /> {name}
      {count > 0 && <span className="rounded bg-accent-soft px-1 text-accent">{count}</span>}
    </Button>
  );
}

function Chip({ children, onRemove }: { children: React.ReactNode; onRemove: () => void }) {
  return (
    <span className="inline-flex h-8 items-center gap-1 rounded-md border border-line bg-raised pl-2.5 font-mono text-xs">
      {children}
      <Button variant="quiet" size="icon" aria-label="Remove this filter" onClick={onRemove}>
        <X aria-hidden />
      </Button>
    </span>
  );
}
