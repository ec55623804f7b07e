import { spawn } from "node:child_process";

/**
 * Runs a Node script to its end. @throws when it does not exit with 0, with the tail of its output
 */
export function runOnce(name, args, { cwd, env = {}, quiet = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const collect = (chunk) => {
      output = (output + chunk).slice(-8_000);
      if (!quiet && process.env.FMLAB_DEBUG) process.stdout.write(chunk);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`}:\n${output.trim()}`));
    });
  });
}
