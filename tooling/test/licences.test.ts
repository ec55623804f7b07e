import { describe, expect, it } from "vitest";
import { listInstalled } from "../licences.mjs";
import { readText } from "../repository/files.ts";
import { listWorkspaces, runtimeDependencies } from "../repository/workspaces.ts";
import { problemOfLicence } from "../rules/licence.ts";
import { renderThirdParty } from "../third-party.mjs";

describe("what is installed at run time", () => {
  it("is under permissive licences, or a listed exception with its reason", () => {
    const installed = listInstalled();
    expect(installed.length).toBeGreaterThan(100);
    const problems = installed.flatMap(
      ({ name, licence }) => problemOfLicence(name, licence) ?? [],
    );
    expect(problems).toEqual([]);
  });

  it("is listed in THIRD_PARTY.md (else: node tooling/third-party.mjs)", () => {
    expect(readText("THIRD_PARTY.md")).toBe(renderThirdParty());
  });

  it("is listed there for every dependency of every package.json", () => {
    const text = readText("THIRD_PARTY.md");
    const named = listWorkspaces().flatMap(({ manifest }) =>
      Object.keys(manifest.dependencies ?? {}),
    );
    const missing = named.filter(
      (name) => !name.startsWith("@fmlab/") && !text.includes(`| [${name}](`),
    );
    expect(missing).toEqual([]);
    expect(
      Object.keys(runtimeDependencies(listWorkspaces()[0]?.manifest ?? { name: "" })).length,
    ).toBeGreaterThan(0);
  });
});

describe("the project itself", () => {
  it("is under Apache-2.0, in LICENSE and in every package.json", () => {
    expect(readText("LICENSE")).toContain("Apache License\n                           Version 2.0");
    const manifests = ["package.json", ...listWorkspaces().map((w) => `${w.folder}/package.json`)];
    const others = manifests.filter(
      (name) => (JSON.parse(readText(name)) as { license?: string }).license !== "Apache-2.0",
    );
    expect(others).toEqual([]);
  });
});

describe("problemOfLicence", () => {
  it.each([
    "GPL-3.0",
    "GPL-2.0-only",
    "AGPL-3.0-or-later",
    "UNKNOWN",
    "MIT AND GPL-3.0",
    "SSPL-1.0",
  ])("refuses %s", (licence) => {
    expect(problemOfLicence("some-package", licence)).toMatch(/may not be used at run time/);
  });

  it("refuses LGPL but for the listed libraries", () => {
    expect(problemOfLicence("some-package", "LGPL-3.0-or-later")).toMatch(/may not be used/);
    expect(problemOfLicence("@img/sharp-libvips-linux-x64", "LGPL-3.0-or-later")).toBeUndefined();
  });

  it.each(["MIT", "(MIT OR GPL-3.0)", "MIT AND Apache-2.0", "(Apache-2.0 AND (MIT))"])(
    "allows %s",
    (licence) => {
      expect(problemOfLicence("some-package", licence)).toBeUndefined();
    },
  );
});
