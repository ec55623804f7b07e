import { rmSync } from "node:fs";

/** Removes the folder that held the tests' database. The server has been stopped by then. */
export default function removeHome(): void {
  const home = process.env.FMLAB_E2E_HOME;
  if (home) rmSync(home, { recursive: true, force: true });
}
