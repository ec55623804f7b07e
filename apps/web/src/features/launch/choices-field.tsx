"use client";

import { Checkbox } from "@/ui/fields.tsx";
import type { Choice } from "./choices.ts";
import type { Path } from "./config-values.ts";
import { FieldHelp } from "./field-frame.tsx";
import type { Field } from "./form-fields.ts";
import { useField } from "./use-field.ts";

/**
 * A list of different choices as check boxes. What is checked last comes last, because some
 * experiments compare with the first; the order is told where it is not the one on the screen.
 */
export function ChoicesField({
  field,
  path,
  options,
}: {
  field: Field & { type: "list" };
  path: Path;
  options: readonly Choice[];
}) {
  const { id, value, set, problem } = useField(path);
  const chosen = Array.isArray(value) ? (value as Choice[]) : [];
  const toggle = (option: Choice) =>
    set(chosen.includes(option) ? chosen.filter((c) => c !== option) : [...chosen, option]);
  const isInOrder = chosen.every((c, i) => c === options.filter((o) => chosen.includes(o))[i]);
  return (
    <fieldset
      id={id}
      tabIndex={-1}
      aria-describedby={`${id}-help`}
      data-invalid={problem !== undefined}
      className="min-w-0 rounded-md border border-line p-3 data-[invalid=true]:border-bad"
    >
      <legend className="px-1 font-medium">
        {field.title}{" "}
        <span className="font-normal text-muted">
          {chosen.length} of {options.length}
        </span>
      </legend>
      <FieldHelp field={field} path={path} />
      <div className="mt-2 grid gap-x-4 gap-y-1.5 sm:grid-cols-2">
        {options.map((option) => (
          <Checkbox
            key={String(option)}
            label={option === null ? "none" : String(option)}
            checked={chosen.includes(option)}
            onChange={() => toggle(option)}
          />
        ))}
      </div>
      {!isInOrder && <p className="mt-2 text-xs text-muted">In this order: {chosen.join(", ")}.</p>}
    </fieldset>
  );
}
