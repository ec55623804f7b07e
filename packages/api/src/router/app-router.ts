import { router } from "../trpc.ts";
import { claim } from "./agent/claim.ts";
import { finish } from "./agent/finish.ts";
import { register } from "./agent/register.ts";
import { renew } from "./agent/renew.ts";
import { report } from "./agent/report.ts";
import { start } from "./agent/start.ts";
import { list as listAudit } from "./audit/list.ts";
import { history } from "./config/history.ts";
import { list as listConfigs } from "./config/list.ts";
import { revision } from "./config/revision.ts";
import { save } from "./config/save.ts";
import { stream } from "./events/stream.ts";
import { check } from "./experiment/check.ts";
import { get as getExperiment } from "./experiment/get.ts";
import { list as listExperiments } from "./experiment/list.ts";
import { list as listMachines } from "./machine/list.ts";
import { remove as removeMachine } from "./machine/remove.ts";
import { add as addMember } from "./member/add.ts";
import { list as listMembers } from "./member/list.ts";
import { remove as removeMember } from "./member/remove.ts";
import { setRole } from "./member/set-role.ts";
import { create as createOrganization } from "./organization/create.ts";
import { create as createProject } from "./project/create.ts";
import { list as listProjects } from "./project/list.ts";
import { annotate } from "./run/annotate.ts";
import { artifacts } from "./run/artifacts.ts";
import { cancel } from "./run/cancel.ts";
import { create as createRun } from "./run/create.ts";
import { get as getRun } from "./run/get.ts";
import { list as listRuns } from "./run/list.ts";
import { logs } from "./run/logs.ts";
import { metricKeys } from "./run/metric-keys.ts";
import { metrics } from "./run/metrics.ts";
import { remove as removeRun } from "./run/remove.ts";
import { retry } from "./run/retry.ts";
import { series } from "./run/series.ts";
import { seriesNames } from "./run/series-names.ts";
import { stats } from "./run/stats.ts";
import { me } from "./session/me.ts";
import { importFolder } from "./sync/import.ts";
import { create as createToken } from "./token/create.ts";
import { list as listTokens } from "./token/list.ts";
import { revoke } from "./token/revoke.ts";

/** Every procedure of the platform, by noun and verb. */
export const appRouter = router({
  session: router({ me }),
  organization: router({ create: createOrganization }),
  project: router({ list: listProjects, create: createProject }),
  experiment: router({ list: listExperiments, get: getExperiment, check }),
  config: router({ list: listConfigs, history, save, revision }),
  run: router({
    create: createRun,
    list: listRuns,
    metricKeys,
    get: getRun,
    cancel,
    retry,
    remove: removeRun,
    annotate,
    metrics,
    logs,
    series,
    seriesNames,
    artifacts,
    stats,
  }),
  machine: router({ list: listMachines, remove: removeMachine }),
  token: router({ list: listTokens, create: createToken, revoke }),
  member: router({ list: listMembers, add: addMember, setRole, remove: removeMember }),
  audit: router({ list: listAudit }),
  events: router({ stream }),
  agent: router({ register, claim, start, renew, report, finish }),
  sync: router({ import: importFolder }),
});
/** The type that clients are made from. */
export type AppRouter = typeof appRouter;
