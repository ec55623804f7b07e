import type { Command } from "commander";

const POLICIES = `
Policies are baselines by name: latency-greedy, kubernetes, least-connections, jsq-2, openwhisk, ...,
or the path of a trained policy (policy-*.json of cnc-brain.train).
--rules names a JSON file: {"policies": [...], "tenants": [{"name", "quota", "weight"}],
"zoneRttMs": {"zone-a": {"zone-b": 12}}, "defaultRttMs": 10}. Rules are judged before any policy.`;

const SERVES = `
/healthz, /readyz and /metrics (Prometheus) are served beside it. SIGTERM ends what is under way first.`;

/** Adds `fmlab brain`, the scheduler of packages/cnc-brain as a server. */
export function addBrain(program: Command, exit: (code: number) => void): void {
  const brain = program
    .command("brain")
    .description("decide placements for a real cluster, over HTTP, Kubernetes or OpenFaaS");
  served(brain.command("serve"), "8600")
    .argument("<cluster>", "JSON file: sites, rttMs, nodes, functions, policies, tenants")
    .description("serve decisions over HTTP for a cluster that a file describes")
    .addHelpText("after", SERVES)
    .action(async (cluster, options) => {
      exit(await (await import("./brain.ts")).brainServeCommand(cluster, options));
    });
  kubernetes(served(brain.command("kube-scheduler"), "8601"))
    .description("schedule Kubernetes pods whose spec.schedulerName names it")
    .option("--scheduler-name <name>", "pods that name this are ours", "cnc-brain")
    .option("--lease-namespace <name>", "where the lease of the leader lies", "kube-system")
    .option("--identity <name>", "of this process in the election (default: host and process)")
    .option("--bindings <n>", "bindings under way at a time", "64")
    .action(async (options) => {
      exit(await (await import("./brain.ts")).brainKubeSchedulerCommand(options));
    });
  kubernetes(served(brain.command("extender"), "8602"))
    .description("be asked by Kubernetes' own scheduler: filter, prioritise, bind, preempt")
    .option("--prefix <path>", "path in front of the verbs", "/cnc-brain")
    .option("--cached", "follow the cluster: for nodeCacheCapable, and to bind", false)
    .action(async (options) => {
      exit(await (await import("./brain.ts")).brainExtenderCommand(options));
    });
  brain
    .command("openfaas")
    .description("serve OpenFaaS's API over functions that run as processes of this machine")
    .option("--host <address>", "address to listen at", "127.0.0.1")
    .option("--port <n>", "port; 0: any free one", "8080")
    .option("--images <file>", "JSON: programs by image, {command, mode: http | process}")
    .option("--allow-commands", "run deployments' own envProcess commands", false)
    .option("--user <name>", "who may use /system", "admin")
    .option("--password-file <file>", "with which password; needed unless on a loopback address")
    .option("--namespaces <names>", "comma-separated; the first is the default", "openfaas-fn")
    .option("--cores <n>", "cores that invocations share (default: no limit)")
    .option("--replicas-max <n>", "no function has more replicas", "100")
    .option("--role <role>", "provider or gateway: the form of /system/info", "gateway")
    .action(async (options) => {
      exit(await (await import("./brain.ts")).brainOpenFaasCommand(options));
    });
}

function served(command: Command, port: string): Command {
  return command
    .option("--host <address>", "address to listen at", "127.0.0.1")
    .option("--port <n>", "port; 0: any free one", port)
    .option("--policy <name-or-file>", "a baseline, or a trained policy (.json)", "latency-greedy")
    .option("--fallback <name>", "who decides where the policy fails", "least-connections")
    .option("--seed <n>", "seed of policies that draw", "0")
    .option("--audit <file>", "append every decision to this hash-chained log");
}

function kubernetes(command: Command): Command {
  return command
    .option("--rules <file>", "JSON: policies, tenants, round trips between zones")
    .option("--kubeconfig <file>", "as kubectl's; else KUBECONFIG, ~/.kube/config, own account")
    .option("--context <name>", "context of the kubeconfig")
    .addHelpText("after", POLICIES)
    .addHelpText("after", SERVES);
}
