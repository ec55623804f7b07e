import { Simulation } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import type { PlacementRequest } from "../scheduling/scheduler.ts";
import { everythingAllowed } from "../simulator/admission.ts";
import { CandidateTable } from "../simulator/candidate-table.ts";
import { ClusterView } from "../simulator/cluster-view.ts";
import type { FunctionSpec } from "../simulator/specs.ts";
import { Transfers } from "../simulator/transfers.ts";
import type { Scenario } from "./scenario.ts";

/** What a scenario's copies share and nobody changes. */
export interface ForkSetting {
  scenario: Scenario;
  requests: PlacementRequest[];
  /** Which image each function has. */
  imageOf: Int32Array;
  imageCount: number;
  transfers: Transfers;
  times: Map<number, Times>;
}

/** Transfers of a function from a site, by node, ms. */
export interface Times {
  inMs: Float64Array;
  outMs: Float64Array;
}

/**
 * What a scenario's copies share.
 *
 * @throws CncError `BAD_SETTING` for nodes that share cores and for jobs; `NO_NODE_FITS`
 */
export function forkSettingOf(scenario: Scenario): ForkSetting {
  const { cluster, workload } = scenario;
  const { nodes, network } = cluster;
  const { functions, trace } = workload;
  for (const { discipline } of nodes) {
    requireSetting(discipline === "fcfs", "discipline", discipline, "fcfs");
  }
  for (const { kind } of functions) {
    requireSetting(kind === "function", "functions.kind", kind, "function");
  }
  const view = new ClusterView(nodes, functions, network);
  const used = new Set(trace.functionIndex);
  const candidates = new CandidateTable(view, everythingAllowed(), used);
  const images = new Map<string, number>();
  const imageOf = Int32Array.from(functions, ({ image }, i) => {
    const name = image || `function ${i}`;
    images.set(name, images.get(name) ?? images.size);
    return images.get(name) as number;
  });
  const requests = Array.from({ length: trace.count }, (_, id) => {
    const functionIndex = trace.functionIndex[id] as number;
    return {
      id,
      functionIndex,
      site: trace.site[id] as number,
      arrivalMs: trace.arrivalMs[id] as number,
      attempt: 0,
      candidates: candidates.of(functionIndex),
    };
  });
  const transfers = new Transfers(new Simulation(), network, nodes, "fixed");
  return { scenario, requests, imageOf, imageCount: images.size, transfers, times: new Map() };
}

/** Transfers of a function from a site; made once. */
export function timesOf(setting: ForkSetting, functionIndex: number, site: number): Times {
  const { times, transfers, scenario } = setting;
  const key = functionIndex * 65_536 + site;
  const known = times.get(key);
  if (known !== undefined) return known;
  const fn = scenario.workload.functions[functionIndex] as FunctionSpec;
  const of = (sizeKb: number) =>
    Float64Array.from(scenario.cluster.nodes, (_, node) => transfers.aloneMs(site, node, sizeKb));
  const made = { inMs: of(fn.requestKb), outMs: of(fn.responseKb) };
  times.set(key, made);
  return made;
}
