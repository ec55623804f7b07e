"use client";

import { type Path, withValue } from "./config-values.ts";
import { FieldView } from "./field-view.tsx";
import type { Field } from "./form-fields.ts";
import { FormContext } from "./use-field.ts";

/** A config's fields, made from its schema. */
export function ConfigForm({
  fields,
  values,
  onChange,
  problems,
}: {
  fields: Field[];
  values: unknown;
  onChange: (values: unknown) => void;
  problems: ReadonlyMap<string, string>;
}) {
  const set = (path: Path, value: unknown) => onChange(withValue(values, path, value));
  return (
    <FormContext value={{ values, set, problems }}>
      <div className="flex flex-col gap-4">
        {fields.map((field) => (
          <FieldView key={field.name} field={field} path={[field.name]} />
        ))}
      </div>
    </FormContext>
  );
}
