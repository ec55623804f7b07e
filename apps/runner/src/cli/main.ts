import { CommanderError } from "commander";
import { kindHelp } from "./kind-help.ts";
import { buildProgram } from "./program.ts";

// Entry point of the `fmlab` command.
try {
  const help = await kindHelp(process.argv.slice(2));
  const program = buildProgram((code) => {
    process.exitCode = code;
  }, help);
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what was wrong; help and version end this way too.
    process.exit(error.exitCode === 0 ? 0 : 2);
  }
  // Imported late: a command that ends well and help need none of it.
  const { isDomainError } = await import("@fmlab/experiment");
  const { exitCodeOfError } = await import("./exit-code.ts");
  const told = isDomainError(error) ? error.message : error instanceof Error ? error.stack : error;
  if (process.argv.includes("--json")) {
    const code = isDomainError(error) ? error.code : "UNEXPECTED";
    const message = error instanceof Error ? error.message : String(error);
    process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  }
  process.stderr.write(`fmlab: ${told}\n`);
  process.exitCode = exitCodeOfError(error);
}
