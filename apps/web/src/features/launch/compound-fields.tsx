"use client";

import { Plus, X } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "@/ui/button.tsx";
import { Checkbox, Select } from "@/ui/fields.tsx";
import { choicesOf } from "./choices.ts";
import { ChoicesField } from "./choices-field.tsx";
import { type Path, withoutItem } from "./config-values.ts";
import { describedBy, FieldHelp } from "./field-frame.tsx";
import { FieldView } from "./field-view.tsx";
import type { Field } from "./form-fields.ts";
import { useField } from "./use-field.ts";

/** A list: check boxes where it is a choice of several, else items to add and remove. */
export function ListField({ field, path }: { field: Field & { type: "list" }; path: Path }) {
  const options = choicesOf(field, useField(path).value);
  if (options === null) return <ItemsField field={field} path={path} />;
  return <ChoicesField field={field} path={path} options={options} />;
}

function ItemsField({ field, path }: { field: Field & { type: "list" }; path: Path }) {
  const { id, value, set } = useField(path);
  const items = Array.isArray(value) ? value : [];
  const full = field.maxItems !== null && items.length >= field.maxItems;
  return (
    <Framed field={field} id={id}>
      <FieldHelp field={field} path={path} />
      <ol className="mt-2 flex flex-col gap-3">
        {items.map((_, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: items have no name and hold no state
          <li key={index} className="flex items-start gap-2">
            <div className="min-w-0 flex-1">
              <FieldView
                field={{ ...field.item, title: `${field.item.title} ${index + 1}` }}
                path={[...path, index]}
              />
            </div>
            <Button
              variant="quiet"
              size="icon"
              aria-label={`Remove ${field.item.title.toLowerCase()} ${index + 1}`}
              disabled={items.length <= field.minItems}
              onClick={() => set(withoutItem(value, index))}
            >
              <X aria-hidden />
            </Button>
          </li>
        ))}
      </ol>
      <Button
        size="small"
        className="mt-3"
        disabled={full}
        onClick={() => set([...items, field.item.initial])}
      >
        <Plus aria-hidden /> Add {field.item.title.toLowerCase()}
      </Button>
    </Framed>
  );
}

/** One of several shapes; changing the shape starts the new one with its defaults. */
export function VariantField({ field, path }: { field: Field & { type: "variant" }; path: Path }) {
  const { id, value, set, problem } = useField(path);
  const tag =
    typeof value === "object" && value !== null
      ? String((value as Record<string, unknown>)[field.tag])
      : "";
  const chosen = field.variants.find((variant) => variant.value === tag);
  return (
    <Framed field={field} id={id}>
      <Select
        className="min-w-40"
        aria-label={field.title}
        value={tag}
        onChange={(event) => {
          const next = field.variants.find((variant) => variant.value === event.target.value);
          if (next === undefined) return;
          set({ ...(next.group.initial as object), [field.tag]: next.value });
        }}
        {...describedBy(id, problem)}
      >
        {field.variants.map((variant) => (
          <option key={variant.value} value={variant.value}>
            {variant.value}
          </option>
        ))}
      </Select>
      <FieldHelp field={field} path={path} />
      <div className="mt-3 flex flex-col gap-4">
        {chosen?.group.fields.map((child) => (
          <FieldView key={child.name} field={child} path={[...path, child.name]} />
        ))}
      </div>
    </Framed>
  );
}

/** A value that can be left out. */
export function OptionalField({
  field,
  path,
}: {
  field: Field & { type: "optional" };
  path: Path;
}) {
  const { id, value, set } = useField(path);
  const isSet = value !== null && value !== undefined;
  return (
    <div className="flex flex-col gap-2">
      <div className="grid gap-x-4 sm:grid-cols-[11rem_minmax(0,1fr)]">
        <div className="sm:col-start-2">
          <Checkbox
            id={`${id}-set`}
            label={`Set ${field.title.toLowerCase()}`}
            checked={isSet}
            onChange={(event) => set(event.target.checked ? field.inner.initial : null)}
          />
          {!isSet && <FieldHelp field={field} path={path} />}
        </div>
      </div>
      {isSet && <FieldView field={field.inner} path={path} />}
    </div>
  );
}

function Framed({ field, id, children }: { field: Field; id: string; children: ReactNode }) {
  return (
    <fieldset id={`${id}-frame`} className="min-w-0 rounded-md border border-line p-3">
      <legend className="px-1 font-medium">
        {field.title}
        {field.unit !== "" && <span className="font-normal text-muted"> {field.unit}</span>}
      </legend>
      {children}
    </fieldset>
  );
}
