/**
 * Policy violations over masked decisions of a live brain: random rules, quotas, taken nodes and
 * outages over 64 nodes, and policies that try to break them (any node at all, whatever the mask
 * says; nonsense; throwing). Rules are judged again, apart from the brain, for each decision.
 *
 * Bar: no violation over 10 million decisions.
 *
 * Every hundred thousand decisions are a world of their own, named by its number: `--first` begins
 * with another one, so that parts may be run side by side.
 *
 *     node --import tsx bench/cnc-violations.bench.ts [--json] [--count 10000000] [--first 0]
 */
import { parseArgs } from "node:util";
import { createPrng, type Prng } from "@fmlab/sim";
import type { AuditJournal } from "../src/adapters/audit-journal.ts";
import { Brain } from "../src/adapters/brain.ts";
import { BrainMetrics } from "../src/adapters/brain-metrics.ts";
import { Governor } from "../src/governance/governor.ts";
import { type PolicyRule, PolicySet } from "../src/governance/policies.ts";
import { fixedRttNetwork } from "../src/network/network.ts";
import { createScheduler } from "../src/scheduling/registry.ts";
import type { Scheduler } from "../src/scheduling/scheduler.ts";
import { ClusterView } from "../src/simulator/cluster-view.ts";
import { PLAIN_FUNCTION, PLAIN_NODE, TIERS } from "../src/simulator/specs.ts";

const NODES = 64;
const FUNCTIONS = 32;
const PER_WORLD = 100_000;
const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    count: { type: "string", default: "10000000" },
    first: { type: "string", default: "0" },
  },
});
const count = Number(values.count);
let violations = 0;
let placed = 0;
let overruled = 0;
const startMs = performance.now();
for (let done = 0, world = Number(values.first); done < count; done += PER_WORLD, world++) {
  decideIn(createPrng(world, "world"), Math.min(PER_WORLD, count - done));
}
const perSecond = count / ((performance.now() - startMs) / 1000);
const row = { decisions: count, violations, placed, overruled, perSecond: Math.round(perSecond) };
if (values.json) process.stdout.write(`${JSON.stringify(row)}\n`);
else console.table([row]);
if (violations > 0) process.exitCode = 1;

function decideIn(prng: Prng, decisions: number): void {
  const sites = ["a", "b", "c", "d"];
  const nodes = Array.from({ length: NODES }, (_, i) => ({
    ...PLAIN_NODE,
    name: `n${i}`,
    tier: prng.pick(TIERS),
    site: prng.nextInt(sites.length),
    cores: 1 + prng.nextInt(8),
    labels: { disk: prng.pick(["ssd", "hdd"]) },
  }));
  const functions = Array.from({ length: FUNCTIONS }, (_, i) => ({
    ...PLAIN_FUNCTION,
    name: `f${i}`,
    tenant: `t${prng.nextInt(4)}`,
    cores: 1 + prng.nextInt(4),
  }));
  const rules = Array.from({ length: 6 }, () => drawRule(prng, sites));
  const policies = new PolicySet(rules, sites);
  const governor = new Governor(functions, nodes, policies, []);
  const view = new ClusterView(nodes, functions, fixedRttNetwork(sites, 10));
  const brain = new Brain({
    scheduler: rogue(prng.fork("rogue")),
    fallback: createScheduler("least-connections", prng),
    // Its hashes would take most of the time; verified elsewhere.
    journal: { append: () => {} } as unknown as AuditJournal,
    metrics: new BrainMetrics(),
    clock: { nowMs: () => 0 },
  });
  for (let id = 0; id < decisions; id++) {
    if (id % 1000 === 0) for (let n = 0; n < NODES; n++) view.up[n] = prng.chance(0.9) ? 1 : 0;
    const functionIndex = prng.nextInt(FUNCTIONS);
    const site = prng.nextInt(sites.length);
    const ask = { id, label: "", functionIndex, site, arrivalMs: 0, attempt: 0 };
    const verdict = brain.decide(ask, { view, governor });
    if (verdict.kind !== "placed") continue;
    placed++;
    governor.release(functionIndex);
    if (verdict.scheduler !== "rogue") overruled++;
    const fn = view.fn(functionIndex);
    for (const node of verdict.nodes) {
      const spec = nodes[node];
      const isFine =
        spec !== undefined &&
        view.up[node] === 1 &&
        spec.cores >= fn.cores &&
        !isForbidden(rules, fn.tenant, spec, sites);
      if (!isFine) violations++;
    }
  }
}

/** The rules' meaning, written down a second time. */
function isForbidden(
  rules: readonly PolicyRule[],
  tenant: string,
  node: { tier: string; site: number; labels: Record<string, string> },
  sites: readonly string[],
): boolean {
  for (const rule of rules) {
    if (rule.tenants && !rule.tenants.includes(tenant)) continue;
    let isMeant = true;
    if (rule.tiers && !rule.tiers.includes(node.tier)) isMeant = false;
    if (rule.sites && !rule.sites.includes(sites[node.site] ?? "")) isMeant = false;
    if (rule.labels && rule.labels.disk !== node.labels.disk) isMeant = false;
    if (isMeant === (rule.effect === "deny")) return true;
  }
  return false;
}

function drawRule(prng: Prng, sites: readonly string[]): PolicyRule {
  const rule: PolicyRule = { effect: prng.chance(0.7) ? "deny" : "only", reason: "drawn" };
  rule.tenants = [`t${prng.nextInt(4)}`];
  if (prng.chance(0.5)) rule.tiers = [prng.pick(TIERS)];
  if (prng.chance(0.5)) rule.sites = [prng.pick(sites)];
  if (prng.chance(0.3)) rule.labels = { disk: "ssd" };
  return rule;
}

/** Chooses as if there were no mask. */
function rogue(prng: Prng): Scheduler {
  return {
    name: "rogue",
    place: () => {
      const kind = prng.nextInt(20);
      if (kind === 0) throw new Error("NaN in the logits");
      if (kind === 1) return NODES + prng.nextInt(9);
      if (kind === 2) return Number.NaN;
      if (kind === 3) return [prng.nextInt(NODES), prng.nextInt(NODES)];
      return prng.nextInt(NODES);
    },
  };
}
