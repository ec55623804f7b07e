"use client";

import { useState } from "react";
import { Button } from "@/ui/button.tsx";
import { MetricChart } from "./metric-chart.tsx";
import type { MetricGroup } from "./metric-groups.ts";
import type { RunDetail } from "./run-page.tsx";

/** Charts drawn before the reader asks for more. */
const CHARTS_FIRST = 4;

/** What the runner measured of the machine while the run went, apart from what the run reports. */
export function MachineCounters({ run, groups }: { run: RunDetail; groups: MetricGroup[] }) {
  const [all, setAll] = useState(false);
  const curves = groups.filter(({ keys }) => keys.some((key) => (run.metrics[key]?.n ?? 0) > 1));
  if (curves.length === 0) return null;
  const shown = all ? curves : curves.slice(0, CHARTS_FIRST);
  return (
    <section aria-label="GPU counters" className="flex flex-col gap-3">
      <header className="border-t border-line pt-4">
        <h2 className="font-semibold">GPU counters</h2>
        <p className="text-xs text-muted">
          Measured by the runner through the driver while the run went: the whole card, whichever
          process uses it. The time axis counts seconds from the start of the run.
        </p>
      </header>
      <div className="grid items-start gap-4 xl:grid-cols-2">
        {shown.map((group) => (
          <MetricChart key={group.base} run={run} group={group} fidelity="measured" />
        ))}
      </div>
      {shown.length < curves.length && (
        <Button className="self-center" onClick={() => setAll(true)}>
          Show all {curves.length} GPU counters
        </Button>
      )}
    </section>
  );
}
