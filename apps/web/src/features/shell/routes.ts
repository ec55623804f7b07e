import type { Route } from "next";

/** Every address of the site in one place. */
export const routes = {
  home: (projectId?: string): Route =>
    (projectId === undefined ? "/" : `/?project=${projectId}`) as Route,
  launchList: (projectId: string): Route => `/p/${projectId}/launch` as Route,
  launch: (
    projectId: string,
    kind: string,
    from: { preset?: string; from?: string; revision?: string } = {},
  ): Route => {
    const search = new URLSearchParams(from).toString();
    return `/p/${projectId}/launch/${kind}${search === "" ? "" : `?${search}`}` as Route;
  },
  runs: (projectId: string, search = ""): Route =>
    `/p/${projectId}/runs${search === "" ? "" : `?${search}`}` as Route,
  run: (projectId: string, runId: string): Route => `/p/${projectId}/runs/${runId}` as Route,
  configs: (projectId: string, configId?: string): Route =>
    `/p/${projectId}/configs${configId === undefined ? "" : `?config=${configId}`}` as Route,
  organization: (organizationId: string, tab?: string): Route =>
    `/org/${organizationId}${tab === undefined ? "" : `?tab=${tab}`}` as Route,
};
