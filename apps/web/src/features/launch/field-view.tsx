"use client";

import type { ReactNode } from "react";
import { Checkbox, Select } from "@/ui/fields.tsx";
import { ListField, OptionalField, VariantField } from "./compound-fields.tsx";
import type { Path } from "./config-values.ts";
import { describedBy, FieldHelp, Labelled } from "./field-frame.tsx";
import type { Field } from "./form-fields.ts";
import { JsonField, NumberField, TextField } from "./typed-fields.tsx";
import { useField } from "./use-field.ts";

/** One field of a config with its title, help and problem. */
export function FieldView({ field, path }: { field: Field; path: Path }): ReactNode {
  switch (field.type) {
    case "group":
      return <GroupField field={field} path={path} />;
    case "list":
      return <ListField field={field} path={path} />;
    case "variant":
      return <VariantField field={field} path={path} />;
    case "optional":
      return <OptionalField field={field} path={path} />;
    case "boolean":
      return <BooleanField field={field} path={path} />;
    case "choice":
      return (
        <Labelled field={field} path={path}>
          <ChoiceControl field={field} path={path} />
        </Labelled>
      );
    case "number":
      return (
        <Labelled field={field} path={path}>
          <NumberField field={field} path={path} />
        </Labelled>
      );
    case "text":
      return (
        <Labelled field={field} path={path}>
          <TextField field={field} path={path} />
        </Labelled>
      );
    case "json":
      return (
        <Labelled field={field} path={path}>
          <JsonField path={path} />
        </Labelled>
      );
  }
}

function GroupField({ field, path }: { field: Field & { type: "group" }; path: Path }) {
  return (
    <fieldset className="min-w-0 rounded-md border border-line p-3">
      <legend className="px-1 font-medium">{field.title}</legend>
      {field.help !== "" && <p className="mb-3 text-xs text-muted">{field.help}</p>}
      <div className="flex flex-col gap-4">
        {field.fields.map((child) => (
          <FieldView key={child.name} field={child} path={[...path, child.name]} />
        ))}
      </div>
    </fieldset>
  );
}

function BooleanField({ field, path }: { field: Field; path: Path }) {
  const { id, value, set, problem } = useField(path);
  return (
    <div className="grid gap-x-4 sm:grid-cols-[11rem_minmax(0,1fr)]">
      <div className="sm:col-start-2">
        <Checkbox
          className="font-medium"
          label={field.title}
          checked={value === true}
          onChange={(event) => set(event.target.checked)}
          {...describedBy(id, problem)}
        />
        <FieldHelp field={field} path={path} />
      </div>
    </div>
  );
}

function ChoiceControl({ field, path }: { field: Field & { type: "choice" }; path: Path }) {
  const { id, value, set, problem } = useField(path);
  const index = field.options.indexOf(value as string);
  return (
    <Select
      className="min-w-40"
      value={index < 0 ? "" : String(index)}
      onChange={(event) => set(field.options[Number(event.target.value)])}
      {...describedBy(id, problem)}
    >
      {index < 0 && <option value="">Choose…</option>}
      {field.options.map((option, i) => (
        <option key={String(option)} value={String(i)}>
          {option === null ? "none" : String(option)}
        </option>
      ))}
    </Select>
  );
}
