"use client";

import type { ConfigProblem } from "@fmlab/experiment";
import { experiments } from "@fmlab/registry";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import { type RouterOutputs, useTRPC } from "@/trpc/client.tsx";
import { checkConfig } from "./check-config.ts";
import { isSameConfig } from "./config-values.ts";

/** How long typing may pause before the server is asked, ms (chosen). */
const PAUSE_MS = 350;

export interface ConfigCheck {
  /** The schema accepts it; whether a machine can run it is another question. */
  isValid: boolean;
  problems: ConfigProblem[];
  /** The server's answer to the config as it is now; undefined while it is being asked. */
  server: RouterOutputs["experiment"]["check"] | undefined;
  error: { message: string } | null;
}

/** Checks a config at once with the schema in the browser, and then with the server. */
export function useConfigCheck(projectId: string, kind: string, config: unknown): ConfigCheck {
  const trpc = useTRPC();
  const local = useMemo(() => {
    const definition = experiments.get(kind);
    return definition === undefined ? [] : checkConfig(definition, config);
  }, [kind, config]);
  const settled = useSettled(config);
  const asked = useQuery(
    trpc.experiment.check.queryOptions(
      { projectId, kind, config: settled as Record<string, unknown> },
      { enabled: local.length === 0, placeholderData: keepPreviousData },
    ),
  );
  const isCurrent = isSameConfig(settled, config) && !asked.isPlaceholderData;
  const server = local.length === 0 && isCurrent ? asked.data : undefined;
  return {
    isValid: local.length === 0,
    problems: local.length > 0 ? local : (server?.problems ?? []),
    server,
    error: local.length === 0 ? asked.error : null,
  };
}

function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
