"use client";

import { useId } from "react";
import { Input } from "@/ui/fields.tsx";
import type { LaunchSettings } from "./draft.ts";

interface FieldsProps {
  settings: LaunchSettings;
  set: (changed: Partial<LaunchSettings>) => void;
  problems: ReadonlyMap<string, string>;
}

/** Seeds by count or as a list, and how often each is repeated. */
export function SeedFields({ settings, set, problems }: FieldsProps) {
  const isCount = settings.seedMode === "count";
  const problem = problems.get("seeds");
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-1 font-medium">Seeds</legend>
      <div className="flex gap-4">
        {(["count", "list"] as const).map((mode) => (
          <label key={mode} className="flex items-center gap-1.5">
            <input
              type="radio"
              name="seed-mode"
              className="accent-accent"
              checked={settings.seedMode === mode}
              onChange={() => set({ seedMode: mode })}
            />
            {mode === "count" ? "How many" : "List"}
          </label>
        ))}
      </div>
      {isCount ? (
        <div className="grid grid-cols-2 gap-2">
          <Small
            label="Number of seeds"
            id="seeds"
            value={settings.seedCount}
            onChange={(seedCount) => set({ seedCount })}
            invalid={problem !== undefined}
          />
          <Small
            label="First seed"
            value={settings.firstSeed}
            onChange={(firstSeed) => set({ firstSeed })}
            invalid={problem !== undefined}
          />
        </div>
      ) : (
        <Small
          label="Seeds and ranges, e.g. 0-4, 7"
          id="seeds"
          value={settings.seedList}
          onChange={(seedList) => set({ seedList })}
          invalid={problem !== undefined}
        />
      )}
      {problem !== undefined && <p className="text-xs text-bad">{problem}</p>}
      <Small
        label="Repeats of each seed"
        value={settings.repeats}
        onChange={(repeats) => set({ repeats })}
        problem={problems.get("repeats")}
      />
    </fieldset>
  );
}

/** Priority, time limit and retries. */
export function LimitFields({ settings, set, problems }: FieldsProps) {
  return (
    <div className="grid grid-cols-3 gap-2">
      <Small
        label="Priority"
        value={settings.priority}
        onChange={(priority) => set({ priority })}
        problem={problems.get("priority")}
      />
      <Small
        label="Limit (min)"
        value={settings.timeLimitMinutes}
        onChange={(timeLimitMinutes) => set({ timeLimitMinutes })}
        problem={problems.get("timeLimitMinutes")}
      />
      <Small
        label="Attempts"
        value={settings.maxAttempts}
        onChange={(maxAttempts) => set({ maxAttempts })}
        problem={problems.get("maxAttempts")}
      />
    </div>
  );
}

function Small({
  label,
  id,
  value,
  onChange,
  problem,
  invalid = problem !== undefined,
}: {
  label: string;
  id?: string;
  value: string;
  onChange: (value: string) => void;
  problem?: string | undefined;
  invalid?: boolean;
}) {
  const own = useId();
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <label htmlFor={id ?? own} className="truncate text-xs text-muted">
        {label}
      </label>
      <Input
        id={id ?? own}
        value={value}
        inputMode="numeric"
        autoComplete="off"
        aria-invalid={invalid}
        onChange={(event) => onChange(event.target.value)}
      />
      {problem !== undefined && <p className="text-xs text-bad">{problem}</p>}
    </div>
  );
}
