import { Command, Option } from "commander";
import { fmlabVersion } from "../repository.ts";
import { addBrain } from "./brain-program.ts";

const EXIT_CODES = `
Exit codes: 0 success; 1 a run or a check failed; 2 wrong usage, config or file;
3 the server is away or refuses; 124 timed out; 130 cancelled.`;

const CONNECTION = `
The server and the token come from --url and --token, else FMLAB_URL and FMLAB_TOKEN, else from the
local installation (.data/local.json, written by npm start).`;

const EXPERIMENTS = `
Experiments of your own: --experiments ./my.ts names a module that exports definitions made with
defineExperiment; FMLAB_EXTRA_EXPERIMENTS names several (path list). The module must lie where
@fmlab/experiment can be imported, e.g. inside this checkout.`;

const repeat = (value: string, all: string[]): string[] => [...all, value];

/**
 * The whole command line. Each command's code is imported when it is called, so that help is quick.
 *
 * @param kindHelp shown below the help of commands that take an experiment
 */
export function buildProgram(exit: (code: number) => void, kindHelp = ""): Command {
  const program = new Command("fmlab")
    .description("Runs, uploads and follows fmlab experiments.")
    .version(fmlabVersion)
    .showHelpAfterError("(add --help for what can be given)")
    .configureHelp({ sortSubcommands: false })
    .addHelpText("after", EXIT_CODES);
  program.exitOverride();
  addLocal(program, exit);
  addAgent(program, exit);
  addBrain(program, exit);
  addRemote(program, exit);
  for (const command of program.commands) {
    command.exitOverride();
    if (["exec", "launch"].includes(command.name())) command.addHelpText("after", kindHelp);
    for (const inner of command.commands) inner.exitOverride();
  }
  return program;
}

function addLocal(program: Command, exit: (code: number) => void): void {
  config(program.command("exec"))
    .description("run an experiment here, without a server, and write a run folder")
    .option("--seed <n>", "seed of the run", "0")
    .option("--out <dir>", "run folder to write (default: a new one under .fmlab/runs)")
    .option("--force", "replace the run that is in the out folder", false)
    .option("--time-limit <sec>", "end the run after this many seconds", "86400")
    .option("--cancel-grace <sec>", "how long a cancelled run may take to stop", "10")
    .option("--heap-mib <n>", "limit of the JavaScript heap of the run, MiB")
    .addOption(gpuSample())
    .option("--quiet", "no progress", false)
    .addOption(json())
    .addOption(modules())
    .addHelpText("after", EXPERIMENTS)
    .action(async (kind, options) => {
      exit(await (await import("./exec.ts")).execCommand(kind, options));
    });
  program
    .command("experiments")
    .argument("[kind]", "one experiment: its config, presets and metrics")
    .description("list the experiments, or explain one")
    .addOption(json())
    .addOption(modules())
    .action(async (kind, options) => {
      exit(await (await import("./experiments.ts")).experimentsCommand(kind, options));
    });
  program
    .command("calibrate")
    .description("measure what validators' operations cost here, and keep it for simulated runs")
    .addOption(json())
    .action(async (options) => {
      exit(await (await import("./calibrate.ts")).calibrateCommand(options));
    });
  const claims = program.command("claims").description("the papers' claims and what our runs say");
  claims
    .command("check")
    .argument("[dir]", "folder with claim files (default: claims)")
    .option("--runs <dir>", "folder with run folders", "experiments")
    .addOption(json())
    .description(
      "judge every claim by the run folders that test it; exit code 1 if one is contradicted",
    )
    .action(async (dir, options) => {
      exit(await (await import("./claims.ts")).claimsCheckCommand(dir, options));
    });
  connected(program.command("doctor"))
    .description("say what this machine can run and why not more, or how it should run a model")
    .option("--model <file>", "plan for this GGUF file: how to run it here, how fast, and why")
    .option("--memory-mib <n>", "memory for experts and KV cache (default: what is free)")
    .option("--link-mbps <n>", "limit of the link that experts come over, MB/s")
    .option("--tokens <n>", "tokens of routing that strategies are tried on (default: 512)")
    .option("--machine <name>", "a named machine in place of this one, see moe-offload.plan")
    .addOption(json())
    .addOption(modules())
    .action(async (options) => {
      const isPlan = options.model !== undefined;
      exit(
        isPlan
          ? await (await import("./doctor-model.ts")).doctorModelCommand(options)
          : await (await import("./doctor.ts")).doctorCommand(options),
      );
    });
}

function addAgent(program: Command, exit: (code: number) => void): void {
  connected(program.command("agent"))
    .description("run a server's experiments on this machine")
    .option("--name <name>", "name of this machine in the organisation (default: the host name)")
    .option("--concurrency <n>", "runs at a time; more than one disturbs what they measure", "1")
    .option("--cancel-grace <sec>", "how long a cancelled run may take to stop", "10")
    .option("--shutdown-grace <sec>", "how long runs may go on when the agent is stopped", "5")
    .option("--heap-mib <n>", "limit of the JavaScript heap of a run, MiB")
    .addOption(gpuSample())
    .addOption(modules())
    .addHelpText("after", CONNECTION)
    .addHelpText("after", EXPERIMENTS)
    .action(async (options) => {
      exit(await (await import("./agent.ts")).agentCommand(options));
    });
}

function addRemote(program: Command, exit: (code: number) => void): void {
  connected(config(program.command("launch")))
    .description("queue runs at the server")
    .option("--seeds <seeds>", "how many seeds, e.g. 5, or which, e.g. 1,2,7", "1")
    .option("--repeats <n>", "runs for each seed", "1")
    .option("--priority <n>", "higher ones first", "0")
    .option("--time-limit <sec>", "end each run after this many seconds", "3600")
    .option("--project <id-or-name>", "project to launch in")
    .option("--wait", "wait until all runs have ended", false)
    .addOption(json())
    .addHelpText("after", CONNECTION)
    .action(async (kind, options) => {
      exit(await (await import("./launch.ts")).launchCommand(kind, options));
    });
  const runs = program.command("runs").description("list runs, or show one");
  connected(runs.command("list", { isDefault: true }))
    .description("the newest runs of a project")
    .option("--project <id-or-name>", "project to list")
    .option("--state <states>", "only these states, e.g. RUNNING,QUEUED")
    .option("--kind <kind>", "only this experiment")
    .option("--limit <n>", "how many", "20")
    .addOption(json())
    .action(async (options) => {
      exit(await (await import("./runs.ts")).runsListCommand(options));
    });
  connected(runs.command("show"))
    .argument("<id>", "the run")
    .description("one run: state, config, metrics, attempts")
    .addOption(json())
    .action(async (id, options) => {
      exit(await (await import("./runs.ts")).runsShowCommand(id, options));
    });
  connected(program.command("logs"))
    .argument("<id>", "the run")
    .option("-f, --follow", "go on until the run has ended", false)
    .option("--attempt <n>", "an earlier attempt")
    .addOption(json())
    .description("print a run's log")
    .action(async (id, options) => {
      exit(await (await import("./logs.ts")).logsCommand(id, options));
    });
  connected(program.command("cancel"))
    .argument("<id...>", "the runs")
    .addOption(json())
    .description("cancel runs")
    .action(async (ids, options) => {
      exit(await (await import("./cancel.ts")).cancelCommand(ids, options));
    });
  connected(program.command("sync"))
    .argument("<dir...>", "run folders, or folders that hold some")
    .option("--project <id-or-name>", "project to upload to")
    .addOption(json())
    .description("upload run folders, each once however often this is called")
    .addHelpText("after", CONNECTION)
    .action(async (dirs, options) => {
      exit(await (await import("./sync.ts")).syncCommand(dirs, options));
    });
}

function config(command: Command): Command {
  return command
    .argument("<kind>", "experiment, see `fmlab experiments`")
    .option("--preset <name>", "start from a preset")
    .option("--config <file>", "start from a JSON file")
    .option(
      "--set <path=value>",
      "change one field, e.g. --set link.bandwidthMBps=200; may be repeated",
      repeat,
      [],
    )
    .option("--vram <size>", "use no more of the card, e.g. 8GiB: experts get what is left of it")
    .option("--link <speed>", "hold the link to the card to this speed, e.g. 12GB/s");
}

function connected(command: Command): Command {
  return command
    .option("--url <url>", "address of the server")
    .option("--token <token>", "token for the server");
}

function json(): Option {
  return new Option("--json", "print one JSON value").default(false);
}

function gpuSample(): Option {
  return new Option("--gpu-sample <ms>", "how often a run's GPUs are measured; 0 is never")
    .env("FMLAB_GPU_SAMPLE_MS")
    .default("500");
}

function modules(): Option {
  return new Option(
    "--experiments <module>",
    "a module with experiments of your own; may be repeated",
  )
    .argParser(repeat)
    .default([]);
}
