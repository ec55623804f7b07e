import { normalCdf } from "./distributions.ts";
import type { GeneratedFunction } from "./generator.ts";
import { chiSquareTest, ksTest } from "./goodness-of-fit.ts";
import {
  APP_INVOCATIONS_PER_DAY,
  DURATION_SECONDS,
  FUNCTIONS_PER_APP,
  MEMORY_MB,
  TRIGGER_PERCENT,
  TRIGGERS,
} from "./published-fits.ts";

/** One comparison of a workload with what was published. */
export interface FitRow {
  quantity: string;
  test: string;
  statistic: number;
  /** Absent where a share is compared, not tested. */
  pValue: number | undefined;
  published: string;
  found: string;
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const tailOf = (z: number) => 1 - normalCdf(z);
const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

interface App {
  perDay: number;
  memoryMb: number;
  count: number;
}

/** Compares generated functions with the distributions they were drawn from. */
export function reportFit(functions: readonly GeneratedFunction[]): FitRow[] {
  const apps = appsOf(functions);
  return [...testSizes(functions, apps), ...testClasses(functions, apps), ...compareShares(apps)];
}

function appsOf(functions: readonly GeneratedFunction[]): App[] {
  const apps = new Map<number, App>();
  for (const { app, invocationsPerDay, memoryMb } of functions) {
    const known = apps.get(app) ?? { perDay: 0, memoryMb, count: 0 };
    known.perDay += invocationsPerDay;
    known.count++;
    apps.set(app, known);
  }
  return [...apps.values()];
}

/** Tests of continuous quantities. */
function testSizes(functions: readonly GeneratedFunction[], apps: readonly App[]): FitRow[] {
  const durations = functions.map((fn) => fn.meanDurationMs / 1000);
  const memories = apps.map((app) => app.memoryMb);
  const rates = apps.map((app) => app.perDay);
  const test = "Kolmogorov-Smirnov";
  return [
    {
      quantity: "mean duration of a function, s",
      test,
      ...ksTest(durations, DURATION_SECONDS),
      published: "log-normal, median 0.68",
      found: `median ${median(durations).toFixed(2)}`,
    },
    {
      quantity: "memory of an application, MB",
      test,
      ...ksTest(memories, MEMORY_MB),
      published: "Burr, median 139.6",
      found: `median ${median(memories).toFixed(1)}`,
    },
    {
      quantity: "invocations of an application in a day",
      test,
      ...ksTest(rates, APP_INVOCATIONS_PER_DAY),
      published: "through two published shares",
      found: `median ${median(rates).toFixed(1)}`,
    },
  ];
}

/** Tests of counts in classes. */
function testClasses(functions: readonly GeneratedFunction[], apps: readonly App[]): FitRow[] {
  const triggers = TRIGGERS.map((name) => functions.filter((fn) => fn.trigger === name).length);
  const sizes = FUNCTIONS_PER_APP.map(
    ([from, to]) => apps.filter(({ count }) => count >= from && count <= to).length,
  );
  const sizeShares = FUNCTIONS_PER_APP.map(([, , share]) => share);
  const test = "chi-square";
  return [
    {
      quantity: "triggers of functions",
      test,
      ...chiSquareTest(triggers, TRIGGER_PERCENT, tailOf),
      published: "http 55.0 %",
      found: `http ${percent((triggers[0] ?? 0) / functions.length)}`,
    },
    {
      quantity: "functions of an application",
      test,
      ...chiSquareTest(sizes, sizeShares, tailOf),
      published: "one: 54 %",
      found: `one: ${percent((sizes[0] ?? 0) / apps.length)}`,
    },
  ];
}

/** Published shares beside the drawn ones. */
function compareShares(apps: readonly App[]): FitRow[] {
  const all = apps.reduce((sum, app) => sum + app.perDay, 0);
  const often = apps.filter((app) => app.perDay > 1440);
  const upTo = (perDay: number) => apps.filter((app) => app.perDay <= perDay).length / apps.length;
  const share = (quantity: string, published: number, found: number): FitRow => ({
    quantity,
    test: "difference",
    statistic: found - published,
    pValue: undefined,
    published: percent(published),
    found: percent(found),
  });
  return [
    share("applications with at most 1 an hour", 0.45, upTo(24)),
    share("applications with at most 1 a minute", 0.814, upTo(1440)),
    share("invocations of the others", 0.996, often.reduce((sum, a) => sum + a.perDay, 0) / all),
  ];
}
