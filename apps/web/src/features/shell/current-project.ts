"use client";

import { useSyncExternalStore } from "react";

const KEY = "fmlab-project";
const never = () => () => {};

/** Remembers the project a person looked at last, for the start page. */
export function rememberProject(projectId: string): void {
  try {
    localStorage.setItem(KEY, projectId);
  } catch {
    // Storage may be turned off; then the start page shows the first project.
  }
}

function readProject(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** The project looked at last in this browser. */
export function useRememberedProject(): string | null {
  return useSyncExternalStore(never, readProject, () => null);
}
