import { describe, expect, it } from "vitest";
import { fmlab } from "./fixtures/command.ts";

describe("help for a command and an experiment", () => {
  it.each([["exec"], ["launch"]])("of %s shows its fields, ranges and presets", async (command) => {
    const args = [command, "--preset", "quick", "runner-test.count", "--help"];
    const { stdout, exitCode } = await fmlab(args);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`Usage: fmlab ${command}`);
    expect(stdout).toContain("points = 20  (integer 1..1000000)");
    expect(stdout).toContain("quick (runs everywhere): Quick. 20 points");
  });

  it("is the command's alone when no experiment or an unknown one is named", async () => {
    for (const args of [
      ["exec", "--help"],
      ["exec", "nothing.here", "-h"],
      ["runs", "-h"],
    ]) {
      const { stdout, exitCode } = await fmlab(args);
      expect(exitCode).toBe(0);
      expect(stdout).not.toContain("Presets:");
    }
  });
});
