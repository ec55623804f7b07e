"use client";

import { useState } from "react";
import { Input, TextArea } from "@/ui/fields.tsx";
import { isSameConfig, type Path, parseNumberText } from "./config-values.ts";
import { describedBy } from "./field-frame.tsx";
import type { Field } from "./form-fields.ts";
import { useField } from "./use-field.ts";

/** A number with its unit. What is typed stays as typed until it means another number. */
export function NumberField({ field, path }: { field: Field & { type: "number" }; path: Path }) {
  const { id, value, set, problem } = useField(path);
  const [typed, setTyped] = useState(String(value ?? ""));
  const shown = parseNumberText(typed) === value ? typed : String(value ?? "");
  return (
    <span className="flex items-center gap-2">
      <Input
        inputMode={field.integer && (field.min ?? -1) >= 0 ? "numeric" : "decimal"}
        autoComplete="off"
        className="w-40"
        value={shown}
        onChange={(event) => {
          setTyped(event.target.value);
          set(parseNumberText(event.target.value));
        }}
        onKeyDown={(event) => {
          const step = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
          if (step === 0 || !field.integer || typeof value !== "number") return;
          event.preventDefault();
          const low = field.min ?? Number.NEGATIVE_INFINITY;
          const high = field.max ?? Number.POSITIVE_INFINITY;
          set(Math.min(high, Math.max(low, value + step)));
        }}
        {...describedBy(id, problem)}
      />
      {field.unit !== "" && <span className="text-muted">{field.unit}</span>}
    </span>
  );
}

/** Text of one line or several. */
export function TextField({ field, path }: { field: Field & { type: "text" }; path: Path }) {
  const { id, value, set, problem } = useField(path);
  const text = typeof value === "string" ? value : "";
  if (!field.multiline) {
    return (
      <Input
        value={text}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => set(event.target.value)}
        {...describedBy(id, problem)}
      />
    );
  }
  return (
    <TextArea
      rows={Math.min(10, Math.max(2, text.split("\n").length + Math.floor(text.length / 90)))}
      value={text}
      onChange={(event) => set(event.target.value)}
      {...describedBy(id, problem)}
    />
  );
}

/** A part of a config that has no field of its own, as JSON. */
export function JsonField({ path }: { path: Path }) {
  const { id, value, set, problem } = useField(path);
  const [typed, setTyped] = useState<string | null>(null);
  const shown = typed ?? JSON.stringify(value, null, 2) ?? "";
  const broken = typed !== null && parse(typed) === undefined;
  return (
    <>
      <TextArea
        rows={Math.min(12, Math.max(2, shown.split("\n").length))}
        spellCheck={false}
        className="font-mono text-xs"
        value={shown}
        onChange={(event) => {
          const parsed = parse(event.target.value);
          setTyped(event.target.value);
          // Unfinished text goes up as text, so that validation refuses it.
          set(parsed === undefined ? event.target.value : parsed.value);
        }}
        onBlur={() => {
          const parsed = typed === null ? undefined : parse(typed);
          if (parsed !== undefined && isSameConfig(parsed.value, value)) setTyped(null);
        }}
        {...describedBy(id, problem)}
      />
      {broken && <p className="text-xs text-bad">This is not valid JSON yet.</p>}
    </>
  );
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
