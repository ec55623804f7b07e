/**
 * Events a second of the kernel on one core: the hold model (so many events wait; each that runs
 * schedules its successor after an exponential time), timers that are cancelled in time, and
 * messages between nodes through network model, cores and trace hash.
 *
 * `npm run bench -- sim-kernel [--json] [--events N]`; ends with 1 below 500,000 events/s in the
 * hold model of 10,000 waiting events.
 */
import { parseArgs } from "node:util";
import { Core, createPrng, Network, Simulation, TraceHash } from "../src/index.ts";

const EVENTS_PER_SECOND_MIN = 500_000;

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    events: { type: "string", default: "2000000" },
  },
});
const events = Number(values.events);

/** Every event schedules the next of its chain. */
function hold(waiting: number): Simulation {
  const simulation = new Simulation();
  const prng = createPrng(1, "hold");
  const next = () => {
    simulation.scheduleAfter(prng.exponential(10), next);
  };
  for (let i = 0; i < waiting; i++) next();
  return simulation;
}

/** Every event cancels the time-out of the one before and sets a new one, as a protocol does. */
function timeouts(chains: number): Simulation {
  const simulation = new Simulation();
  const prng = createPrng(1, "timeouts");
  for (let chain = 0; chain < chains; chain++) {
    let timeout = simulation.scheduleAfter(1_000, () => undefined);
    const next = () => {
      simulation.cancel(timeout);
      timeout = simulation.scheduleAfter(1_000, () => undefined);
      simulation.scheduleAfter(prng.exponential(10), next);
    };
    next();
  }
  return simulation;
}

/** Nodes that answer every message, with queues at links and cores and every delivery hashed. */
function messages(nodes: number): Simulation {
  const simulation = new Simulation();
  const prng = createPrng(1, "messages");
  const trace = new TraceHash();
  const network = new Network(simulation, prng.fork("network"), {
    nodeRegions: Array.from({ length: nodes }, (_, i) => i % 3),
    rttMs: [
      [1, 70, 150],
      [70, 1, 90],
      [150, 90, 1],
    ],
    egressBytesPerMs: 125_000,
    jitter: 0.1,
  });
  const cores = Array.from({ length: nodes }, () => new Core(simulation));
  const send = (from: number, to: number) => {
    network.send(from, to, 200, () => {
      const core = cores[to] as Core;
      core.submit(() => {
        trace.addNumber(core.nowMs()).addNumber(from).addNumber(to);
        core.use(0.01);
        send(to, prng.nextInt(nodes));
      });
    });
  };
  for (let i = 0; i < 10 * nodes; i++) send(i % nodes, prng.nextInt(nodes));
  return simulation;
}

function eventsPerSecond(simulation: Simulation): number {
  simulation.runEvents(events / 10);
  const startMs = performance.now();
  simulation.runEvents(events);
  return (events / (performance.now() - startMs)) * 1_000;
}

const results = [
  { name: "hold, 1,000 waiting", rate: eventsPerSecond(hold(1_000)) },
  { name: "hold, 10,000 waiting", rate: eventsPerSecond(hold(10_000)) },
  { name: "hold, 100,000 waiting", rate: eventsPerSecond(hold(100_000)) },
  { name: "time-outs cancelled, 1,000 chains", rate: eventsPerSecond(timeouts(1_000)) },
  { name: "messages, 64 nodes, 640 in flight", rate: eventsPerSecond(messages(64)) },
];
const main = results[1]?.rate ?? 0;
if (values.json) {
  console.log(
    JSON.stringify({
      name: "sim-kernel",
      unit: "events/s",
      ours: main,
      peer: EVENTS_PER_SECOND_MIN,
      ratio: main / EVENTS_PER_SECOND_MIN,
      results,
    }),
  );
} else {
  for (const { name, rate } of results) {
    console.log(`${name.padEnd(36)} ${Math.round(rate).toLocaleString("en")} events/s`);
  }
}
process.exit(main >= EVENTS_PER_SECOND_MIN ? 0 : 1);
