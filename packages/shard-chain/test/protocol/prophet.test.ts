import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Note } from "../../src/protocol/note.ts";
import { makeNote } from "../../src/protocol/note.ts";
import { createProphet, type ProphetState } from "../../src/protocol/prophet.ts";
import type { BatchData, Claim } from "../../src/protocol/prophet-data.ts";
import { lieOf } from "../../src/protocol/prophet-lies.ts";
import { order as orderOf } from "../../src/protocol/prophet-order.ts";
import type { Candidate, SequenceState } from "../../src/protocol/prophet-sequence-state.ts";
import type { Protocol, ProtocolSettings } from "../../src/protocol/protocol.ts";
import { type DeploymentOutcome, runDeployment } from "../../src/runtime/run-deployment.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import { SMALL_PLAN, type SmallOptions, smallDeployment } from "../runtime/small-deployment.ts";

describe("honest coalitions", () => {
  it("make no transaction wait for a second try, however hot an account is", async () => {
    const { outcome } = await run(150, {}, { seed: 5 });
    expectSound(outcome);
    const { abortRatio, retryRatio, committed, timeByPhase } = all(outcome);
    expect(committed).toBe(150);
    expect(abortRatio).toBe(0);
    expect(retryRatio).toBe(0);
    expect(timeByPhase?.lockWait.meanMs).toBe(0);
    expect(timeByPhase?.orderingWait.meanMs).toBeGreaterThan(0);
  });

  it("convict nobody, also where predictions of several shards collide", async () => {
    const { outcome, sequence } = await run(60, {}, { seed: 6, accountsPerCall: [1, 1, 2] });
    expectSound(outcome);
    expect(all(outcome).retryRatio).toBeGreaterThan(0);
    expect(all(outcome).abortRatio).toBeLessThan(0.01);
    expect(sequence.culprits.size).toBe(0);
  });
});

describe("lying coalitions", () => {
  it("get nothing in, and who is convicted has lied", async () => {
    const settings = { lyingCoalitionShare: 0.3 };
    const { outcome, sequence, batches } = await run(120, settings, { seed: 2, batch: 10 });
    expectSound(outcome);
    const { committed, abortRatio, retryRatio } = all(outcome);
    expect(committed).toBe(120);
    expect(abortRatio).toBe(0);
    expect(retryRatio).toBeGreaterThan(0);
    expect(sequence.culprits.size).toBeGreaterThan(0);
    const proofs = new Set<string>();
    for (const [node, { noteId, proof }] of sequence.culprits) {
      const { leader, number, snapshots } = batches.get(noteId) as BatchData;
      expect(lieOf({ ...settings, seed: 2 }, leader, number)).toBe(proof);
      expect(snapshots.map(([, , , member]) => member)).toContain(node);
      proofs.add(proof);
    }
    expect(proofs.size).toBeGreaterThan(0);
  });

  it("can at worst have transactions aborted, when all lie", async () => {
    const { outcome } = await run(40, { lyingCoalitionShare: 1 }, { seed: 3 });
    expectSound(outcome);
    expect(all(outcome).retryRatio).toBeGreaterThan(0);
  });
});

describe("coalitions whose leaders are down", () => {
  it("are replaced: everything ends", async () => {
    const crashes = [0, 1, 2].map((chain) => ({ chain, validator: chain, atMs: 700 }));
    const { outcome } = await run(60, {}, { seed: 4, deployment: { crashes } });
    expectSound(outcome);
    expect(all(outcome).committed).toBe(60);
  });
});

describe("a coalition's result", () => {
  const protocol = createProphet({ ...SETTINGS(), shards: 2 });
  const placement = { shardOf: () => 0 };
  const chain = { id: 2, name: "sequence", isShard: false, validators: 4 };
  const nodesOf = (id: number) => [0, 1, 2, 3].map((index) => 4 * id + index);
  const signature = (node: number, id: string) => Buffer.from(`${node} ${id}`);
  const check = {
    topology: { shards: 2, chains: [], placement, segmented: new Set() },
    nodesOf,
    verify: (node: number, id: string, signed: Uint8Array) => signature(node, id).equals(signed),
  } as unknown as Parameters<NonNullable<Protocol["isValidNote"]>>[2];
  const claim: Claim = { id: id(1), attempt: 0, carries: [], failsAt: -1, reads: [], writes: [] };
  const data: BatchData = {
    home: 0,
    leader: 1,
    number: 1,
    snapshots: [
      [0, 5, id(2), 1, 3, 0],
      [1, 7, id(3), 6, 3, 0],
    ],
    claims: [claim],
  };
  const signed = (content: unknown, nodes: readonly number[]): Note => {
    const note = makeNote(
      { kind: "prophet-result", transactions: [], data: content as BatchData },
      [],
    );
    return {
      ...note,
      signatures: nodes.map((node) => ({ node, signature: signature(node, note.id) })),
    };
  };
  const isValid = (note: Note) => protocol.isValidNote?.(chain, note, check) ?? false;

  it("counts when its leader and a member of each shard have signed it", () => {
    expect(isValid(signed(data, [1, 6]))).toBe(true);
    expect(isValid(signed(data, [6, 1]))).toBe(true);
  });

  it.each<[string, unknown, readonly number[]]>([
    ["nobody signed for a shard", data, [1]],
    ["one signed twice", data, [1, 1]],
    ["somebody else signed", data, [1, 7]],
    [
      "a member is of another shard",
      { ...data, snapshots: [data.snapshots[0], [1, 7, id(3), 2, 3, 0]] },
      [1, 2],
    ],
    [
      "a shard is named twice",
      { ...data, snapshots: [data.snapshots[0], [0, 5, id(2), 1, 3, 0]] },
      [1],
    ],
    ["the leader vouches for nothing", { ...data, leader: 2 }, [1, 6]],
    [
      "a shard does not exist",
      { ...data, snapshots: [data.snapshots[0], [9, 7, id(3), 36, 3, 0]] },
      [1, 36],
    ],
    ["it claims nothing", { ...data, claims: [] }, [1, 6]],
    ["a number is none", { ...data, claims: [{ ...claim, attempt: -1 }] }, [1, 6]],
    ["there is more in it", { ...data, more: 1 }, [1, 6]],
    ["it is no result at all", null, [1, 6]],
  ])("does not count when %s", (_, content, nodes) => {
    expect(isValid(signed(content, nodes))).toBe(false);
  });

  it("does not count under another note's signatures", () => {
    const other = signed({ ...data, number: 2 }, [1, 6]);
    expect(isValid({ ...signed(data, []), signatures: other.signatures })).toBe(false);
  });
});

describe("the order", () => {
  const none: Pick<SequenceState, "predicted" | "spoiled"> = {
    predicted: new Map(),
    spoiled: new Map(),
  };
  const order = (some: readonly Candidate[], state: typeof none) => orderOf(some, state, () => 0);

  it("puts a reader after the prediction that it follows from", () => {
    const first = candidate("b", { writes: [["w1", 5n, false]], reads: [["w1", 0n, true]] });
    const second = candidate("a", { reads: [["w1", 5n, false]] });
    const third = candidate("c", { reads: [["w1", 5n, false]] });
    const { chosen, stale } = order([third, first, second], {
      ...none,
      predicted: new Map([["w1", { value: 0n, round: 1 }]]),
    });
    expect(chosen).toEqual([first, third, second]);
    expect(stale).toEqual([]);
  });

  it("returns what follows from nothing that stands", () => {
    const one = candidate("a", { reads: [["w1", 0n, true]], writes: [["w1", 5n, false]] });
    const rival = candidate("b", { reads: [["w1", 0n, true]], writes: [["w1", 9n, false]] });
    expect(order([rival, one], none)).toEqual({ chosen: [one], stale: [rival] });
  });

  it("believes a snapshot that is newer than the prediction", () => {
    const predicted = new Map([["w1", { value: 3n, round: 4 }]]);
    const reads: Claim["reads"] = [["w1", 8n, true]];
    const [old, newer] = [candidate("a", { reads }, 7, 1, 3), candidate("b", { reads }, 7, 2, 4)];
    expect(order([old, newer], { ...none, predicted })).toEqual({ chosen: [newer], stale: [old] });
  });

  it("returns what has read what was taken back since", () => {
    const reads: Claim["reads"] = [["w1", 8n, true]];
    const before = candidate("a", { reads });
    expect(order([before], { ...none, spoiled: new Map([["1", 2]]) }).stale).toEqual([before]);
    expect(order([before], { ...none, spoiled: new Map([["2", 2]]) }).stale).toEqual([]);
  });

  it("is that of the batches' hashes, whoever came first", () => {
    const some = ["d", "a", "c", "b"].map((name) => candidate(name, {}));
    const hashes = order(some, none).chosen.map(({ origin }) => origin.noteId);
    expect(hashes).toEqual([...hashes].sort());
    expect(order(some.toReversed(), none)).toEqual(order(some, none));
  });

  it("keeps a leader's batches in the order of their numbers", () => {
    const [late, early] = [candidate("a", {}, 7, 2), candidate("b", {}, 7, 1)];
    expect(order([late, early], none).chosen).toEqual([early, late]);
  });
});

function candidate(
  name: string,
  claim: Partial<Claim>,
  leader: number = name.charCodeAt(0),
  number = 1,
  round = 0,
): Candidate {
  const noteId = name.repeat(64);
  return {
    claim: {
      id: hash("sha256", name),
      attempt: 0,
      carries: [],
      failsAt: -1,
      reads: [],
      writes: [],
      ...claim,
    },
    origin: {
      noteId,
      leader,
      number,
      read: new Map([[0, { height: 9, member: leader, round, undone: 0 }]]),
    },
  };
}

/** 64 hex digits. */
function id(digit: number): string {
  return String(digit).repeat(64);
}

function SETTINGS(): ProtocolSettings {
  return {
    shards: 3,
    committeeValidators: 4,
    lockTimeoutMs: 8_000,
    lockPolicy: "wait",
    brokers: [],
    coalitionBatch: 100,
    lyingCoalitionShare: 0,
    seed: 1,
  };
}

interface Dials {
  readonly seed: number;
  readonly batch?: number;
  readonly accountsPerCall?: readonly number[];
  readonly deployment?: SmallOptions["deployment"];
}

/** A small deployment, with the sequence's state and the notes that it took in. */
async function run(
  transactions: number,
  protocolSettings: Partial<ProtocolSettings>,
  { seed, batch = 100, accountsPerCall = [1], deployment = {} }: Dials,
) {
  const workload = generatedWorkload(
    { ...fittedOptions(transactions), tailAccounts: 100, accountsPerCall },
    seed,
  );
  const settings = smallDeployment({ protocol: "prophet", workload, seed, deployment });
  const own = createProphet({
    ...SETTINGS(),
    seed,
    coalitionBatch: batch,
    ...protocolSettings,
  }) as unknown as Protocol<ProphetState>;
  const sequences: SequenceState[] = [];
  const batches = new Map<string, BatchData>();
  const protocol: Protocol<ProphetState> = {
    ...own,
    createState(chain, topology) {
      const state = own.createState(chain, topology);
      if (state.isSequence) sequences.push(state);
      return state;
    },
    onNote(chain, note) {
      batches.set(note.id, note.data as unknown as BatchData);
      own.onNote?.(chain, note);
    },
  };
  const outcome = await runDeployment(
    { ...settings, protocol: protocol as unknown as Protocol },
    SMALL_PLAN,
  );
  return { outcome, sequence: sequences[0] as SequenceState, batches };
}

function all({ deployment }: DeploymentOutcome) {
  return deployment.recorder.meter.summarise({ fromMs: 0, toMs: 1e9 });
}

function expectSound({ failures, isDrained }: DeploymentOutcome): void {
  expect(failures.map(({ oracle, violations }) => `${oracle}: ${violations[0]?.what}`)).toEqual([]);
  expect(isDrained).toBe(true);
}
