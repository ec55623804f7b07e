/**
 * Pods a second that the Kubernetes scheduler binds: 1,000 pods over 100 nodes against an API stub
 * over real HTTP that answers after 10 +- 5 ms and checks every body against Kubernetes' schemas.
 * Once without faults; once with dropped watches, 410s, 409s, cut connections, late bindings,
 * duplicates, garbage, and a crash with a second process that has to wait for the lease (1 s here).
 *
 * Bar: at least 150 pods/s without faults, and no pod bound to two nodes in either.
 *
 *     node --import tsx bench/cnc-kube.bench.ts [--json] [--pods N] [--policy NAME]
 */
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { clientApi, makeScheduler, mortal, rawNode, rawPod } from "../test/adapters/kube-lab.ts";
import { KubeStub } from "../test/adapters/kube-stub.ts";

const BAR = 150;
const NODES = 100;
const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    pods: { type: "string", default: "1000" },
    policy: { type: "string", default: "kubernetes" },
  },
});
const pods = Number(values.pods);

interface Row {
  what: string;
  podsPerSecond: number;
  doubleBindings: number;
  invalidBodies: number;
  lists: number;
}

const rows = [await measure("no faults", false), await measure("faults and a crash", true)];
if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
else console.table(rows);
const [plain] = rows;
const isSafe = rows.every((row) => row.doubleBindings === 0 && row.invalidBodies === 0);
if (!isSafe || (plain?.podsPerSecond ?? 0) < BAR) process.exitCode = 1;

async function measure(what: string, hasFaults: boolean): Promise<Row> {
  const prng = createPrng(1, what);
  const stub = new KubeStub(prng.fork("stub"));
  const delay = prng.fork("delay");
  stub.delayMs = () => 5 + 10 * delay.nextFloat();
  const server = await stub.start();
  for (let i = 0; i < NODES; i++) stub.addNode(rawNode(`node-${i}`, 16));
  const stop = new AbortController();
  const { api, die } = mortal(await clientApi(server));
  const first = makeScheduler(api, { identity: "first", policy: values.policy });
  const running = [first.scheduler.run(stop.signal)];
  if (hasFaults) {
    stub.faults = {
      conflict: 0.05,
      boundUnanswered: 0.03,
      lostRequest: 0.03,
      late: 0.03,
      duplicate: 0.2,
      garbage: 0.01,
    };
  }
  const startMs = performance.now();
  for (let i = 0; i < pods; i++) stub.addPod(rawPod(`pod-${i}`, "100m"));
  if (hasFaults) {
    await stub.until(() => stub.bindings.size >= 0.2 * pods);
    stub.dropWatches();
    await stub.until(() => stub.bindings.size >= 0.3 * pods);
    stub.compact();
    await stub.until(() => stub.bindings.size >= 0.4 * pods);
    die();
    const second = makeScheduler(await clientApi(server), {
      identity: "second",
      policy: values.policy,
    });
    running[0] = second.scheduler.run(stop.signal);
    await stub.until(() => stub.bindings.size >= 0.7 * pods);
    stub.compact();
  }
  await stub.until(() => stub.bindings.size >= pods);
  const seconds = (performance.now() - startMs) / 1000;
  stub.faults = { ...stub.faults, duplicate: 0, garbage: 0 };
  stop.abort();
  await Promise.all(running);
  const { doubleBindings, invalid, listCount } = stub;
  await stub.stop();
  return {
    what,
    podsPerSecond: pods / seconds,
    doubleBindings,
    invalidBodies: invalid.length,
    lists: listCount,
  };
}
