"use client";

import { Columns3 } from "lucide-react";
import { Popover } from "radix-ui";
import { useState } from "react";
import { Button } from "@/ui/button.tsx";
import { Checkbox, Input } from "@/ui/fields.tsx";
import { plural } from "@/ui/format/number.ts";
import type { MetricKeyRow } from "./use-runs.ts";

/** How many entries are drawn at once; the search finds the others. */
const SHOWN_MAX = 60;

/** Chooses which metrics are columns. Only chosen ones are loaded. */
export function ColumnChooser({
  keys,
  chosen,
  onChange,
}: {
  keys: readonly MetricKeyRow[];
  chosen: readonly string[];
  onChange: (columns: string[] | null) => void;
}) {
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();
  const found = keys.filter((row) => `${row.key} ${row.title}`.toLowerCase().includes(wanted));
  return (
    <Popover.Root>
      <Popover.Trigger asChild>
        <Button>
          <Columns3 aria-hidden /> Columns
        </Button>
      </Popover.Trigger>
      <Popover.Content
        align="start"
        sideOffset={4}
        aria-label="Metric columns"
        className="z-50 flex w-80 flex-col gap-2 rounded-md border border-line bg-panel p-2 shadow-lg"
      >
        <Input
          type="search"
          aria-label="Search metrics"
          placeholder="Search metrics"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <ul className="max-h-80 overflow-auto">
          {found.slice(0, SHOWN_MAX).map((row) => (
            <li key={row.key}>
              <KeyCheckbox
                row={row}
                checked={chosen.includes(row.key)}
                onToggle={(on) =>
                  onChange(on ? [...chosen, row.key] : chosen.filter((key) => key !== row.key))
                }
              />
            </li>
          ))}
        </ul>
        <div className="flex items-center gap-2 border-t border-line pt-2 text-xs text-muted">
          {found.length > SHOWN_MAX
            ? `First ${SHOWN_MAX} of ${found.length}: search to find others`
            : plural(found.length, "metric")}
          <Button size="small" variant="quiet" className="ml-auto" onClick={() => onChange(null)}>
            Reset
          </Button>
        </div>
      </Popover.Content>
    </Popover.Root>
  );
}

function KeyCheckbox({
  row,
  checked,
  onToggle,
}: {
  row: MetricKeyRow;
  checked: boolean;
  onToggle: (on: boolean) => void;
}) {
  return (
    <Checkbox
      className="rounded px-2 py-1 hover:bg-raised"
      label={
        <>
          <span className="min-w-0 flex-1 truncate" title={row.key}>
            {metricTitle(row)}
          </span>
          <span className="text-xs text-muted">{row.unit}</span>
        </>
      }
      checked={checked}
      onChange={(event) => onToggle(event.target.checked)}
    />
  );
}

/** A metric's title with the labels of its key: `Hit rate layer=3`. */
export function metricTitle(row: { key: string; title: string }): string {
  const labels = /\{(.*)\}$/.exec(row.key)?.[1];
  return labels === undefined || row.title.includes(labels) ? row.title : `${row.title} ${labels}`;
}
