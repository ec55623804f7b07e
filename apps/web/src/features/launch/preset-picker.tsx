"use client";

import { TriangleAlert } from "lucide-react";
import { cn } from "@/ui/cn.ts";
import { sentence } from "@/ui/format/sentence.ts";
import { HelpText } from "@/ui/help-text.tsx";
import { Panel } from "@/ui/panel.tsx";
import type { ExperimentDetail } from "./launch-page.tsx";

/** The experiment's named starting points, and what each would lack here. */
export function PresetPicker({
  experiment,
  chosen,
  onChoose,
}: {
  experiment: ExperimentDetail;
  chosen: string | null;
  onChoose: (name: string) => void;
}) {
  return (
    <Panel title="Preset" help="A starting point; every field can be changed afterwards.">
      <div role="radiogroup" aria-label="Preset" className="grid gap-2 sm:grid-cols-2">
        {Object.entries(experiment.presets).map(([name, preset]) => {
          const availability = experiment.availability.find((a) => a.preset === name);
          return (
            <label
              key={name}
              className={cn(
                "flex cursor-pointer gap-2.5 rounded-md border px-3 py-2 has-focus-visible:outline-2 has-focus-visible:outline-accent",
                name === chosen ? "border-accent bg-accent-soft" : "border-line hover:bg-raised",
              )}
            >
              <input
                type="radio"
                name="preset"
                className="mt-1 accent-accent focus-visible:outline-none"
                checked={name === chosen}
                onChange={() => onChoose(name)}
              />
              <span className="min-w-0">
                <span className="font-medium">{preset.title}</span>
                <span className="block text-xs text-muted">{preset.description}</span>
                {availability?.ok === false && (
                  <span className="mt-1 flex gap-1.5 text-xs text-warn">
                    <TriangleAlert className="mt-0.5 size-3.5 shrink-0" aria-hidden />
                    <span>
                      <HelpText text={sentence(availability.problem ?? "")} />
                    </span>
                  </span>
                )}
              </span>
            </label>
          );
        })}
      </div>
    </Panel>
  );
}
