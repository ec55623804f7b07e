"use client";

import type { Route } from "next";
import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { useCallback, useMemo } from "react";
import { type RunsView, readRunsView, writeRunsView } from "./runs-url.ts";

/** The runs table's view, which lives in the URL, and how to change it. */
export function useRunsView(): [RunsView, (changed: Partial<RunsView>) => void] {
  const params = useSearchParams();
  const path = usePathname();
  const router = useRouter();
  const view = useMemo(() => readRunsView(new URLSearchParams(params.toString())), [params]);
  const change = useCallback(
    (changed: Partial<RunsView>) => {
      // Read anew: two changes may come before the page has been drawn again.
      const now = readRunsView(new URLSearchParams(window.location.search));
      const search = writeRunsView({ ...now, ...changed });
      const next = search === "" ? path : `${path}?${search}`;
      window.history.replaceState(null, "", next);
      router.replace(next as Route, { scroll: false });
    },
    [path, router],
  );
  return [view, change];
}
