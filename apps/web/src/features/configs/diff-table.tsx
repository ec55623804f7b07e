"use client";

import { useMemo } from "react";
import { cn } from "@/ui/cn.ts";
import { plural } from "@/ui/format/number.ts";
import { ScrollRegion } from "@/ui/scroll-region.tsx";
import { type Difference, diffConfigs } from "./config-diff.ts";

const KINDS: Record<Difference["kind"], { name: string; tone: string }> = {
  added: { name: "added", tone: "text-ok" },
  removed: { name: "removed", tone: "text-bad" },
  changed: { name: "changed", tone: "text-accent" },
};

/** Field by field, where two configs differ; equal fields are left out. */
export function DiffTable({ before, after }: { before: unknown; after: unknown }) {
  const differences = useMemo(() => diffConfigs(before, after), [before, after]);
  if (differences.length === 0) return <p className="text-muted">These two are the same.</p>;
  return (
    <ScrollRegion label="Differences" className="overflow-x-auto">
      <table className="w-full border-collapse">
        <caption className="pb-2 text-left text-xs text-muted">
          {plural(differences.length, "difference")}
        </caption>
        <thead className="text-left text-xs text-muted">
          <tr>
            <th className="py-1 pr-4 font-medium">Field</th>
            <th className="py-1 pr-4 font-medium">Change</th>
            <th className="py-1 pr-4 font-medium">Before</th>
            <th className="py-1 font-medium">After</th>
          </tr>
        </thead>
        <tbody>
          {differences.map((difference) => (
            <tr key={difference.path} className="border-t border-line align-top">
              <td className="py-1 pr-4 font-mono text-xs [overflow-wrap:anywhere]">
                {difference.path || "config"}
              </td>
              <td className={cn("py-1 pr-4", KINDS[difference.kind].tone)}>
                {KINDS[difference.kind].name}
              </td>
              <td className="py-1 pr-4 font-mono text-xs [overflow-wrap:anywhere]">
                {tell(difference.before)}
              </td>
              <td className="py-1 font-mono text-xs [overflow-wrap:anywhere]">
                {tell(difference.after)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  );
}

const tell = (value: unknown): string => (value === undefined ? "–" : JSON.stringify(value));
