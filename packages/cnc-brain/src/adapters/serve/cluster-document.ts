import { z } from "zod";
import { Governor } from "../../governance/governor.ts";
import { PolicySet, parsePolicies } from "../../governance/policies.ts";
import { fixedRttNetwork, networkOfRtt } from "../../network/network.ts";
import { ClusterView } from "../../simulator/cluster-view.ts";
import { PLAIN_FUNCTION, PLAIN_NODE, TIERS } from "../../simulator/specs.ts";
import type { BrainModel } from "../brain.ts";
import { badDocument } from "../errors.ts";

const atLeast0 = z.number().min(0);
const above0 = z.number().positive();
const texts = z.record(z.string(), z.string());

const nodeFields = z.strictObject({
  name: z.string().min(1),
  site: z.string().optional(),
  tier: z.enum(TIERS).optional(),
  cores: above0,
  memoryMb: above0,
  accelerators: atLeast0.optional(),
  speed: above0.optional(),
  acceleratorSpeed: above0.optional(),
  pullMbps: above0.optional(),
  accessRttMs: atLeast0.optional(),
  accessMbps: above0.optional(),
  pricePerCoreHour: atLeast0.optional(),
  pricePerGbHour: atLeast0.optional(),
  carbonGPerKwh: atLeast0.optional(),
  labels: texts.optional(),
});

const functionFields = z.strictObject({
  name: z.string().min(1),
  tenant: z.string().optional(),
  cores: above0.optional(),
  memoryMb: atLeast0.optional(),
  accelerators: atLeast0.optional(),
  coldStartMs: atLeast0.optional(),
  image: z.string().optional(),
  imageMb: atLeast0.optional(),
  sloMs: above0.optional(),
  requestKb: atLeast0.optional(),
  responseKb: atLeast0.optional(),
  meanDurationMs: above0.optional(),
  nodeSelector: texts.optional(),
});

const documentFields = z.strictObject({
  sites: z.array(z.string().min(1)).min(1).default(["here"]),
  /** Round trips between sites, ms; left out: none. */
  rttMs: z.array(z.array(atLeast0)).optional(),
  nodes: z.array(nodeFields).min(1),
  functions: z.array(functionFields).min(1),
  policies: z.unknown().optional(),
  tenants: z
    .array(
      z.strictObject({
        name: z.string(),
        quota: above0.max(1).default(1),
        weight: above0.default(1),
      }),
    )
    .default([]),
});

/** A cluster to decide for, and its rules. */
export interface ServedCluster extends BrainModel {
  policies: PolicySet;
  siteIndex: ReadonlyMap<string, number>;
  nodeIndex: ReadonlyMap<string, number>;
  functionIndex: ReadonlyMap<string, number>;
}

/**
 * Reads the cluster that a decision server is to serve.
 *
 * @param document JSON: sites, rttMs, nodes, functions, policies, tenants
 * @throws AdapterError `BAD_DOCUMENT`, CncError `BAD_POLICY`
 */
export function readClusterDocument(document: unknown): ServedCluster {
  const parsed = documentFields.safeParse(document);
  if (!parsed.success) throw badDocument("the cluster document", z.prettifyError(parsed.error));
  const { sites, rttMs, tenants } = parsed.data;
  const siteIndex = indexOf("site", sites);
  const specs = parsed.data.nodes.map(({ site, ...fields }) => {
    const index = siteIndex.get(site ?? sites[0] ?? "");
    if (index === undefined) throw badDocument(`node ${fields.name}`, `there is no site ${site}`);
    return { ...PLAIN_NODE, ...defined(fields), name: fields.name, site: index };
  });
  const functions = parsed.data.functions.map((fields) => ({
    ...PLAIN_FUNCTION,
    ...defined(fields),
    name: fields.name,
  }));
  const network = rttMs ? networkOfRtt({ siteNames: sites, rttMs }) : fixedRttNetwork(sites, 0);
  const policies = new PolicySet(parsePolicies(parsed.data.policies ?? []), sites);
  return {
    view: new ClusterView(specs, functions, network),
    governor: new Governor(functions, specs, policies, tenants),
    policies,
    siteIndex,
    nodeIndex: indexOf(
      "node",
      specs.map(({ name }) => name),
    ),
    functionIndex: indexOf(
      "function",
      functions.map(({ name }) => name),
    ),
  };
}

function indexOf(what: string, names: readonly string[]): Map<string, number> {
  const index = new Map(names.map((name, i) => [name, i]));
  if (index.size < names.length) throw badDocument("the cluster document", `a ${what} twice`);
  return index;
}

/** The fields that are given; what is left out keeps its default. */
function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [K in keyof T]: Exclude<T[K], undefined> };
}
