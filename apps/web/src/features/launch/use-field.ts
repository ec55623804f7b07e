"use client";

import { createContext, useContext } from "react";
import { type Path, valueAt } from "./config-values.ts";

export interface FormState {
  values: unknown;
  set: (path: Path, value: unknown) => void;
  /** Problems by dotted path. */
  problems: ReadonlyMap<string, string>;
}

export const FormContext = createContext<FormState | null>(null);

/** The value at a path, how to change it, and what is wrong with it. */
export function useField(path: Path) {
  const form = useContext(FormContext);
  if (form === null) throw new Error("useField is for fields inside a ConfigForm");
  return {
    id: fieldId(path.join(".")),
    value: valueAt(form.values, path),
    set: (value: unknown) => form.set(path, value),
    problem: form.problems.get(path.join(".")),
  };
}

/** The DOM id of a field's control, so that a problem can lead to it. */
export const fieldId = (path: string): string => `config-${path.replaceAll(".", "-")}`;
