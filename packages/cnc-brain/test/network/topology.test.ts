import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { builtinMap } from "../../src/network/builtin-map.ts";
import { parseGraphml } from "../../src/network/graphml.ts";
import { networkOfRtt, networkOfTopology } from "../../src/network/network.ts";
import { readPingTable, readRttMatrix } from "../../src/network/rtt-files.ts";
import { readTar } from "../../src/network/tar.ts";
import { fibreDelayMs, haversineKm } from "../../src/network/topology.ts";
import { listTopologies, readTopology } from "../../src/network/topology-zoo.ts";
import { dataFile } from "../data-dir.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-network-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const graph = (body: string) => `<?xml version="1.0"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key attr.name="label" for="node" id="d0"/><key attr.name="Latitude" for="node" id="d1"/>
<key attr.name="Longitude" for="node" id="d2"/><key attr.name="LinkSpeedRaw" for="edge" id="d3"/>
<graph edgedefault="undirected">${body}</graph></graphml>`;
const node = (id: string, latitude?: number, longitude?: number) =>
  `<node id="${id}"><data key="d0">Town ${id} &amp; Co</data>${
    latitude === undefined
      ? ""
      : `<data key="d1">${latitude}</data><data key="d2">${longitude}</data>`
  }</node>`;
const edge = (a: string, b: string, speed = "") =>
  `<edge source="${a}" target="${b}">${speed && `<data key="d3">${speed}</data>`}</edge>`;

describe("GraphML", () => {
  it("gives sites, capacities and delays by distance, and says what it assumed", () => {
    const map = parseGraphml(
      graph(node("0", 0, 0) + node("1", 0, 1) + node("2") + edge("0", "1", "1e9") + edge("1", "2")),
      "small",
    );
    expect(map.sites.map(({ name }) => name)[0]).toBe("Town 0 & Co");
    expect(map.links.map((l) => l.capacityMbps)).toEqual([1000, 10_000]);
    // A degree of the equator is 111.19 km: x 5 us x 1.5.
    expect(map.links[0]?.delayMs).toBeCloseTo(111.195 * 0.0075, 4);
    expect(map.sites[2]).toMatchObject({ latitude: 0, longitude: 1 });
    expect(map.notes).toEqual([
      "1 of 3 sites placed between their neighbours",
      "1 of 2 links without a speed: 10000",
    ]);
  });

  it("keeps the largest connected part, renumbered", () => {
    const body = node("a") + node("b") + node("c") + edge("b", "c") + edge("a", "a");
    const map = parseGraphml(graph(body), "parts");
    expect(map.sites).toHaveLength(2);
    expect(map.links).toMatchObject([{ from: 0, to: 1, delayMs: 1 }]);
    expect(map.notes.at(-1)).toMatch(/1 of 3 sites left out/);
  });

  it.each([
    ["<graphml><graph>", /line 1: malformed XML: <graph> never ends/],
    ["<graphml></graph></graphml>", /line 1: malformed XML: <\/graph>, but <\/graphml> is due/],
    ["hello", /this is no XML document/],
    ["<svg></svg>", /no <graph> inside <graphml>/],
    [graph(""), /the graph has no <node>/],
    [graph(node("0") + node("0")), /the node 0 occurs twice/],
    [
      graph(`${node("0")}\n\n${edge("0", "9")}`),
      /line 7: the target of an <edge>, "9", is no node/,
    ],
    [graph(node("0", 99, 0)), /Latitude of node 0 is 99, not within \+-90/],
  ])("refuses what it cannot read", (source, message) => {
    expect(() => parseGraphml(source, "bad")).toThrowError(message);
  });

  const zoo = dataFile("network/topology-zoo-graphml.tar.gz");
  it.skipIf(zoo === undefined)("reads all 276 maps of the Topology Zoo by name", () => {
    const names = listTopologies(zoo ?? "");
    expect(names).toHaveLength(276);
    expect(() => readTopology(zoo ?? "", "Atlantis")).toThrowError(/there is no map "Atlantis"/);
    const abilene = readTopology(zoo ?? "", "abilene");
    expect([abilene.sites.length, abilene.links.length]).toEqual([11, 14]);
    const geant = readTopology(zoo ?? "", "Geant2012");
    expect([geant.sites.length, geant.links.length]).toEqual([40, 61]);
    const network = networkOfTopology(geant);
    for (const other of geant.sites.keys()) expect(network.rttMs(0, other)).toBeLessThan(200);
  });
});

describe("tar", () => {
  it("refuses what is no archive", () => {
    expect(() => [...readTar(new Uint8Array(1024).fill(65), "x.tar")]).toThrowError(/no tar/);
  });
});

describe("routing", () => {
  it("finds the delays that Floyd and Warshall find, along paths of those delays", () => {
    const map = builtinMap();
    const network = networkOfTopology(map);
    const count = map.sites.length;
    const delay = map.sites.map((_, i) => map.sites.map((_, j) => (i === j ? 0 : Infinity)));
    for (const { from, to, delayMs } of map.links) {
      for (const [a, b] of [
        [from, to],
        [to, from],
      ] as const) {
        (delay[a] as number[])[b] = delayMs;
      }
    }
    const d = (i: number, j: number) => (delay[i] as number[])[j] as number;
    for (let k = 0; k < count; k++) {
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < count; j++) {
          (delay[i] as number[])[j] = Math.min(d(i, j), d(i, k) + d(k, j));
        }
      }
    }
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < count; j++) {
        expect(network.rttMs(i, j)).toBeCloseTo(2 * d(i, j), 9);
        let at = i;
        let along = 0;
        for (const link of network.path(i, j)) {
          const { from, to, delayMs } = map.links[link >> 1] ?? { from: 0, to: 0, delayMs: 0 };
          expect(link % 2 === 0 ? from : to).toBe(at);
          at = link % 2 === 0 ? to : from;
          along += delayMs;
        }
        expect(at).toBe(j);
        expect(along).toBeCloseTo(d(i, j), 9);
      }
    }
  });

  it("knows how far towns are apart", () => {
    const paris = { latitude: 48.8566, longitude: 2.3522 };
    const newYork = { latitude: 40.7128, longitude: -74.006 };
    expect(haversineKm(paris, newYork)).toBeCloseTo(5837, -1);
    expect(fibreDelayMs(1000)).toBeCloseTo(7.5, 9);
  });
});

describe("matrices of round-trip times", () => {
  it("are taken as they are, and refused when they are not square or negative", () => {
    const siteNames = ["a", "b"];
    expect(
      networkOfRtt({
        siteNames,
        rttMs: [
          [0, 7],
          [9, 0],
        ],
      }).rttMs(1, 0),
    ).toBe(9);
    expect(() => networkOfRtt({ siteNames, rttMs: [[0, 7]] })).toThrowError(/2 rows of 2/);
    expect(() =>
      networkOfRtt({
        siteNames,
        rttMs: [
          [0, -7],
          [9, 0],
        ],
      }),
    ).toThrowError(/at least 0/);
  });

  const aws = dataFile("network/aws_region_rtt_ms.json");
  it.skipIf(aws === undefined)("are read from the file of AWS regions", () => {
    const matrix = readRttMatrix(aws ?? "");
    expect(matrix.siteNames).toHaveLength(11);
    expect(networkOfRtt(matrix).rttMs(0, 1)).toBe(81);
  });

  const pings = dataFile("network/wondernetwork_ping_2018.csv.gz");
  it.skipIf(pings === undefined)("are read from a table of pings, for chosen cities", () => {
    const matrix = readPingTable(pings ?? "", ["Adelaide", "Albany", "Amsterdam"]);
    expect(matrix.rttMs[0]?.[1]).toBe(266.75);
    expect(matrix.rttMs.flat().every((ms) => ms >= 0)).toBe(true);
    expect(() => readPingTable(pings ?? "", ["Atlantis"])).toThrowError(/no city "Atlantis"/);
  });

  it("of pings take the other way where one is missing, and tell what is missing both ways", () => {
    const path = join(folder, "pings.csv");
    const head = "from,to,to_full,avg_ms\n";
    writeFileSync(path, `${head}A,B,"B, ""north"", x",10\nB,C,C,20\nC,A,A,30\n`);
    expect(readPingTable(path, ["A", "B", "C"]).rttMs).toEqual([
      [0, 10, 30],
      [10, 0, 20],
      [30, 20, 0],
    ]);
    writeFileSync(path, `${head}A,A,A,0\nB,B,B,0\n`);
    expect(() => readPingTable(path, ["A", "B"])).toThrowError(/no ping between A and B/);
    writeFileSync(path, `${head}A,"B,B,1\n`);
    expect(() => readPingTable(path, ["A", "B"])).toThrowError(/line 2: quotes/);
    writeFileSync(path, `${head}A,B,B,soon\n`);
    expect(() => readPingTable(path, ["A", "B"])).toThrowError(/line 2: avg_ms must be a time/);
  });
});
