"use client";

import { useTheme } from "next-themes";
import { useSyncExternalStore } from "react";

/** What a canvas needs to know of the theme. */
export interface ChartTheme {
  dark: boolean;
  ink: string;
  muted: string;
  line: string;
  panel: string;
}

const never = () => () => {};

/** The theme's colours as a canvas takes them; undefined on the server, where nothing is drawn. */
export function useChartTheme(): ChartTheme | undefined {
  const { resolvedTheme } = useTheme();
  const inBrowser = useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
  if (!inBrowser) return undefined;
  const dark = resolvedTheme === "dark";
  // Read from the theme and not from the document: the class may change a moment later.
  return dark
    ? { dark, ink: "#e8e9ec", muted: "#9fa3ab", line: "#33363d", panel: "#17191d" }
    : { dark, ink: "#1b1d22", muted: "#5c616b", line: "#e2e4e8", panel: "#ffffff" };
}
