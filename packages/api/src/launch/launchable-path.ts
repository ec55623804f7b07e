import { ExperimentError } from "@fmlab/experiment";

/**
 * Checks a path of a launched config. It must stay inside the folders a runner offers; the runner
 * checks again against the real files (symbolic links).
 *
 * @throws ExperimentError `FORBIDDEN_PATH`
 */
export function assertLaunchablePath(path: string): void {
  const problem = problemOf(path);
  if (problem === undefined) return;
  throw new ExperimentError(
    `the path ${JSON.stringify(path)} ${problem}. Give a path relative to the models or data ` +
      "folder, such as tiny-story-moe.q8_0.gguf. (fmlab exec on your own machine takes any path.)",
    { code: "FORBIDDEN_PATH", path },
  );
}

function problemOf(path: string): string | undefined {
  if (path.trim() === "") return "is empty";
  if (path.includes("\0")) return "holds a NUL character";
  if (path.includes("\\")) return "holds a backslash";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "is absolute";
  if (path.split("/").includes("..")) return "leaves its folder by `..`";
  return undefined;
}
