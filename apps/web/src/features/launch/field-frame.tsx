"use client";

import type { ReactNode } from "react";
import { sentence } from "@/ui/format/sentence.ts";
import { HelpText } from "@/ui/help-text.tsx";
import type { Path } from "./config-values.ts";
import type { Field } from "./form-fields.ts";
import { useField } from "./use-field.ts";

/** The attributes that tie a control to its help and its problem. */
export function describedBy(id: string, problem: string | undefined) {
  return {
    id,
    "aria-describedby": `${id}-help`,
    "aria-invalid": problem !== undefined,
  };
}

/** A control with its title at the left and its help below. */
export function Labelled({
  field,
  path,
  children,
}: {
  field: Field;
  path: Path;
  children: ReactNode;
}) {
  const { id } = useField(path);
  return (
    <div className="grid gap-x-4 gap-y-1 sm:grid-cols-[11rem_minmax(0,1fr)]">
      <label htmlFor={id} className="pt-1.5 leading-5 font-medium">
        {field.title}
      </label>
      <div className="min-w-0">
        {children}
        <FieldHelp field={field} path={path} />
      </div>
    </div>
  );
}

/** The line under a control: its help and bounds, or what is wrong. */
export function FieldHelp({ field, path }: { field: Field; path: Path }) {
  const { id, problem } = useField(path);
  const bounds =
    field.bounds === "" ? "" : `${field.bounds}${field.unit === "" ? "" : ` ${field.unit}`}`;
  const help = [field.help, bounds === "" ? "" : `${sentence(bounds)}.`]
    .filter((part) => part !== "")
    .join(" ");
  return (
    <p id={`${id}-help`} className="mt-1 text-xs text-muted">
      {problem !== undefined && (
        <span className="block font-medium text-bad" data-problem={path.join(".")}>
          {problem}
        </span>
      )}
      <HelpText text={help} />
    </p>
  );
}
