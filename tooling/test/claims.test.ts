import { describe, expect, it } from "vitest";
import { measuredGroups, parseConfig, presetConfig } from "../../packages/experiment/src/index.ts";
import { getExperiment } from "../../packages/registry/src/index.ts";
import { loadClaims } from "../../packages/stats/src/index.ts";
import { inRoot, listFiles } from "../repository/files.ts";

const claims = await loadClaims(inRoot("claims"));

describe("the committed claims", () => {
  it("are all read", () => {
    const files = listFiles().filter((name) => /^claims\/.*\.json$/.test(name));
    expect(claims.map(({ slug }) => `claims/${slug}.json`)).toEqual(files);
    expect(claims.length).toBeGreaterThan(0);
  });

  it.each(claims)("$slug selects runs that its experiment can make", ({ claim }) => {
    const experiment = getExperiment(claim.runs.kind);
    for (const group of Object.values(claim.runs.groups)) {
      const config =
        "preset" in group
          ? presetConfig(experiment, group.preset)
          : parseConfig(experiment, group.config);
      expect(claim.runs.fidelity).toContain(experiment.fidelity(config));
    }
    expect(Object.keys(claim.runs.groups).sort()).toEqual(measuredGroups(claim.measure).sort());
  });
});
