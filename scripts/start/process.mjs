import { spawn } from "node:child_process";

const running = new Set();

/** Ends what `runOnce` has started and is still running, with all their children. */
export function killRunning() {
  for (const { pid } of running) killGroup(pid);
}

/** Ends a process that leads a group, and all in it. */
export function killGroup(leader) {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error; // All of them have gone.
  }
}

/**
 * Runs a Node script to its end. @throws when it does not exit with 0, with the tail of its output
 */
export function runOnce(name, args, { cwd, env = {}, quiet = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, to be ended with all its children.
      detached: true,
    });
    running.add(child);
    let output = "";
    const collect = (chunk) => {
      output = (output + chunk).slice(-8_000);
      if (!quiet && process.env.FMLAB_DEBUG) process.stdout.write(chunk);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error) => {
      running.delete(child);
      reject(error);
    });
    child.on("exit", (code, signal) => {
      running.delete(child);
      if (code === 0) resolve(output);
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`}:\n${output.trim()}`));
    });
  });
}
