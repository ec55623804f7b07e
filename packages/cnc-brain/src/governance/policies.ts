import { CncError, unknownName } from "../errors.ts";
import { type FunctionSpec, type NodeSpec, TIERS } from "../simulator/specs.ts";

/**
 * A rule as data. It concerns the functions that match all of `tenants`, `functions` given, and the
 * nodes that match all of `tiers`, `sites`, `labels` given; what is left out matches all.
 * `deny` forbids those functions those nodes; `only` forbids them all others.
 */
export interface PolicyRule {
  effect: "deny" | "only";
  /** Shown where the rule decides. */
  reason: string;
  tenants?: string[];
  functions?: string[];
  tiers?: string[];
  /** Names of sites. */
  sites?: string[];
  labels?: Record<string, string>;
}

/** Whether a function may run on a node, and which rule says no. */
export interface PolicyVerdict {
  isAllowed: boolean;
  /** Index of the first rule that forbids it. */
  rule?: number;
  reason?: string;
}

const LIST_FIELDS = ["tenants", "functions", "tiers", "sites"] as const;
const FIELDS = ["effect", "reason", "labels", ...LIST_FIELDS];

/**
 * Checks a policy document: a list of rules, each with known fields only, so that a misspelt one
 * does not silently forbid nothing.
 *
 * @throws CncError `BAD_POLICY` with the rule's index, `UNKNOWN_NAME` for a tier
 */
export function parsePolicies(document: unknown): PolicyRule[] {
  if (!Array.isArray(document)) throw badPolicy(0, "a policy document is a list of rules");
  return document.map((rule: unknown, i) => {
    if (typeof rule !== "object" || rule === null) throw badPolicy(i, "a rule is an object");
    const fields = rule as Record<string, unknown>;
    for (const name of Object.keys(fields)) {
      if (!FIELDS.includes(name)) throw badPolicy(i, `no field ${name}; there are ${FIELDS}`);
    }
    if (fields.effect !== "deny" && fields.effect !== "only") {
      throw badPolicy(i, `effect must be deny or only, got ${JSON.stringify(fields.effect)}`);
    }
    if (typeof fields.reason !== "string" || fields.reason === "") {
      throw badPolicy(i, "reason must say why, for those whom the rule concerns");
    }
    for (const name of LIST_FIELDS) checkNames(i, name, fields[name]);
    checkLabels(i, fields.labels);
    for (const tier of (fields.tiers as string[] | undefined) ?? []) {
      if (!(TIERS as readonly string[]).includes(tier)) throw unknownName("tier", tier, TIERS);
    }
    return fields as unknown as PolicyRule;
  });
}

/** Rules over one cluster. */
export class PolicySet {
  constructor(
    readonly rules: readonly PolicyRule[],
    readonly siteNames: readonly string[],
  ) {}

  /** The first rule that forbids the function the node, if any. */
  judge(fn: FunctionSpec, node: NodeSpec): PolicyVerdict {
    const rule = this.rules.findIndex((one) => {
      if (!matches(one.tenants, fn.tenant) || !matches(one.functions, fn.name)) return false;
      const isNodeMeant =
        matches(one.tiers, node.tier) &&
        matches(one.sites, this.siteNames[node.site] ?? "") &&
        Object.entries(one.labels ?? {}).every(([key, value]) => node.labels[key] === value);
      return one.effect === "deny" ? isNodeMeant : !isNodeMeant;
    });
    if (rule < 0) return { isAllowed: true };
    return { isAllowed: false, rule, reason: this.rules[rule]?.reason ?? "" };
  }
}

const matches = (names: readonly string[] | undefined, name: string): boolean =>
  names === undefined || names.includes(name);

function checkNames(rule: number, field: string, value: unknown): void {
  if (value === undefined) return;
  const isList = Array.isArray(value) && value.every((name) => typeof name === "string");
  if (!isList || value.length === 0) throw badPolicy(rule, `${field} must be a list of names`);
}

function checkLabels(rule: number, value: unknown): void {
  if (value === undefined) return;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (isObject && Object.values(value).every((text) => typeof text === "string")) return;
  throw badPolicy(rule, "labels must map names to texts");
}

function badPolicy(rule: number, problem: string): CncError {
  return new CncError(`policy rule ${rule}: ${problem}`, { code: "BAD_POLICY", rule, problem });
}
