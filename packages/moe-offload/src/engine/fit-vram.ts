import { DomainError } from "@fmlab/experiment";

/** What a model on a card takes of its memory, part by part. */
export interface VramDemand {
  /** Weights that stay there whatever the budget: attention, norms, shared experts, head. */
  weightsBytes: number;
  /** One expert slot. */
  slotBytes: number;
  /** Slots asked for, and the fewest that the policy can work with. */
  slotCount: number;
  slotCountMin: number;
  /** Tokens of context asked for, and the fewest that the prompt and its answer need. */
  contextTokens: number;
  contextTokensMin: number;
  /** Contexts come in multiples of this many tokens. Default 1. */
  contextStepTokens?: number;
  /** KV cache of one token over all layers. */
  kvBytesPerToken: number;
  /** Compute buffers that do not depend on the context. */
  computeBytes: number;
  /** Compute buffers for each token of context (masks, scores). Default 0. */
  computeBytesPerToken?: number;
}

/** The memory there is: what is free on the card now, or a lower limit that was set. */
export interface VramSupply {
  freeBytes: number;
  /** VRAM of the card in all, when known: what others hold of it can then be told. */
  totalBytes?: number;
}

/** Bytes of each part. */
export interface VramParts {
  weightsBytes: number;
  slotsBytes: number;
  kvBytes: number;
  computeBytes: number;
}

/** A change that makes it fit by itself: what is asked for, and what would fit. */
export type VramChange =
  | { what: "slots"; from: number; to: number; slotBytes: number }
  | { what: "context"; from: number; to: number }
  /** Neither alone is enough: the least context, and as many slots as it leaves room for. */
  | { what: "slots and context"; slots: number; slotBytes: number; contextTokens: number }
  /** Others hold memory of the card: with this much of it given back, it fits as it is. */
  | { what: "free"; bytes: number };

/** Whether a demand fits, and if not, every smallest change that would make it. */
export interface VramFit {
  fits: boolean;
  neededBytes: number;
  /** What the least that can be asked for (slots and context) takes. */
  leastBytes: number;
  freeBytes: number;
  parts: VramParts;
  changes: VramChange[];
}

/** The VRAM of a card is less than what was asked of it. */
export interface OutOfVramFailure extends Omit<VramFit, "fits"> {
  code: "OUT_OF_VRAM";
}

/** Thrown in place of a driver's bare "out of memory": the message names the smallest change. */
export class OutOfVramError extends DomainError<OutOfVramFailure> {}

/** Bytes of each part of a demand. */
export function vramParts(demand: VramDemand): VramParts {
  const { contextTokens, computeBytesPerToken = 0 } = demand;
  return {
    weightsBytes: demand.weightsBytes,
    slotsBytes: demand.slotCount * demand.slotBytes,
    kvBytes: contextTokens * demand.kvBytesPerToken,
    computeBytes: demand.computeBytes + contextTokens * computeBytesPerToken,
  };
}

/**
 * Says whether a demand fits, and every change that alone makes it: the most slots that fit with
 * the context as it is, the longest context that fits with the slots as they are, or, when neither
 * is enough, the least context with the most slots beside it.
 */
export function fitVram(demand: VramDemand, supply: VramSupply): VramFit {
  const { freeBytes, totalBytes = freeBytes } = supply;
  const { slotCountMin, contextTokensMin } = demand;
  const neededBytes = sizeOf(demand);
  const least = { ...demand, slotCount: slotCountMin, contextTokens: contextTokensMin };
  const fits = neededBytes <= freeBytes;
  const fit = { fits, neededBytes, leastBytes: sizeOf(least), freeBytes, parts: vramParts(demand) };
  if (fits) return { ...fit, changes: [] };
  const smaller = [...fewerSlots(demand, freeBytes), ...shorterContext(demand, freeBytes)];
  const both = smaller.length === 0 ? fewerOfBoth(demand, freeBytes) : [];
  const isHeldByOthers = neededBytes <= totalBytes;
  const freed: VramChange[] = isHeldByOthers
    ? [{ what: "free", bytes: neededBytes - freeBytes }]
    : [];
  return { ...fit, changes: [...smaller, ...both, ...freed] };
}

/**
 * The error for a demand that does not fit or whose allocation has failed.
 *
 * @param failed what could not be allocated, when it came to that: a card may refuse although the
 *   sums fit, since drivers keep some memory to themselves and memory falls to pieces
 */
export function outOfVram(
  demand: VramDemand,
  supply: VramSupply,
  failed?: { what: string; sizeBytes: number; cause?: unknown },
): OutOfVramError {
  const { fits, ...fit } = fitVram(demand, supply);
  const options = failed?.cause === undefined ? {} : { cause: failed.cause };
  if (!fits || failed === undefined) {
    return new OutOfVramError(tellShortage(fit), { code: "OUT_OF_VRAM", ...fit }, options);
  }
  const { slotCount, slotCountMin, slotBytes } = demand;
  const to = Math.max(slotCountMin, slotCount - Math.ceil(failed.sizeBytes / slotBytes));
  const changes = to < slotCount ? [slotsChange(demand, to)] : [];
  const spare = bytesText(fit.freeBytes - fit.neededBytes);
  const message =
    `${failed.what} (${bytesText(failed.sizeBytes)}) could not be allocated, although the sums ` +
    `leave ${spare} of VRAM: the driver keeps some, and what is left is in pieces. ` +
    `${tellChanges(changes)}`;
  return new OutOfVramError(message, { code: "OUT_OF_VRAM", ...fit, changes }, options);
}

function sizeOf(demand: VramDemand): number {
  const { weightsBytes, slotsBytes, kvBytes, computeBytes } = vramParts(demand);
  return weightsBytes + slotsBytes + kvBytes + computeBytes;
}

function fewerSlots(demand: VramDemand, freeBytes: number): VramChange[] {
  const to = slotsBeside({ ...demand, slotCount: 0 }, freeBytes);
  return to >= demand.slotCountMin ? [slotsChange(demand, to)] : [];
}

/** Slots that fit beside everything else. */
function slotsBeside(rest: VramDemand, freeBytes: number): number {
  return Math.floor((freeBytes - sizeOf(rest)) / rest.slotBytes);
}

function slotsChange(demand: VramDemand, to: number): VramChange {
  const { slotCount: from, slotBytes } = demand;
  return { what: "slots", from, to, slotBytes };
}

function shorterContext(demand: VramDemand, freeBytes: number): VramChange[] {
  const { contextTokens, contextTokensMin, contextStepTokens: step = 1 } = demand;
  const bytesPerToken = demand.kvBytesPerToken + (demand.computeBytesPerToken ?? 0);
  const room = freeBytes - sizeOf({ ...demand, contextTokens: 0 });
  if (room < 0 || bytesPerToken === 0) return [];
  const to = Math.floor(room / bytesPerToken / step) * step;
  return to >= contextTokensMin && to > 0 ? [{ what: "context", from: contextTokens, to }] : [];
}

function fewerOfBoth(demand: VramDemand, freeBytes: number): VramChange[] {
  const { contextTokensMin: contextTokens, slotCountMin, slotCount, slotBytes } = demand;
  const room = slotsBeside({ ...demand, contextTokens, slotCount: 0 }, freeBytes);
  const slots = Math.min(slotCount, room);
  if (slots < slotCountMin) return [];
  return [{ what: "slots and context", slots, slotBytes, contextTokens }];
}

function tellShortage(fit: Omit<VramFit, "fits">): string {
  const { weightsBytes, slotsBytes, kvBytes, computeBytes } = fit.parts;
  const parts =
    `weights ${bytesText(weightsBytes)}, expert slots ${bytesText(slotsBytes)}, KV cache ` +
    `${bytesText(kvBytes)}, compute buffers ${bytesText(computeBytes)}`;
  const needed = bytesText(fit.neededBytes, "up");
  const told = `${needed} of VRAM are needed (${parts}), ${bytesText(fit.freeBytes)} are free. `;
  if (fit.changes.length > 0) return told + tellChanges(fit.changes);
  const least = bytesText(fit.leastBytes, "up");
  return (
    `${told}Even the fewest slots and the shortest context take ${least}: use a card with that ` +
    "much free, or a file quantised to fewer bits"
  );
}

function tellChanges(changes: readonly VramChange[]): string {
  if (changes.length === 0) return "Use a card with more memory, or a file of fewer bits";
  const told = changes.map(tellChange).join(", or ");
  return `${told.charAt(0).toUpperCase()}${told.slice(1)}`;
}

function tellChange(change: VramChange): string {
  switch (change.what) {
    case "slots": {
      const { from, to, slotBytes } = change;
      const budgets = `from ${bytesText(from * slotBytes)} to ${budgetText(to, slotBytes)}`;
      return `lower the expert budget ${budgets}: ${count(to)} slots in place of ${count(from)}`;
    }
    case "context":
      return `lower the context from ${count(change.from)} to ${count(change.to)} tokens`;
    case "slots and context": {
      const { slots, slotBytes, contextTokens } = change;
      const budget = `${budgetText(slots, slotBytes)} (${count(slots)} slots)`;
      return `lower the context to ${count(contextTokens)} tokens and the expert budget to ${budget}`;
    }
    case "free":
      return `free ${bytesText(change.bytes, "up")} that other processes hold on the card`;
  }
}

const UNITS = [
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
  ["B", 1],
] as const;

/** Bytes with one decimal in the largest unit that fits; `up` where less would be too little. */
function bytesText(bytes: number, round: "nearest" | "up" = "nearest"): string {
  const [unit, size] = UNITS.find(([, least]) => bytes >= least) ?? UNITS[3];
  const tenths = (bytes / size) * 10;
  return `${(round === "up" ? Math.ceil(tenths) : Math.round(tenths)) / 10} ${unit}`;
}

/** The shortest budget that holds exactly these slots: whoever types it gets that many. */
function budgetText(slots: number, slotBytes: number): string {
  const slotsBytes = slots * slotBytes;
  const [unit, size] = UNITS.find(([, least]) => slotsBytes >= least) ?? UNITS[3];
  for (let scale = 1; scale <= 1e9; scale *= 10) {
    const value = Math.ceil((slotsBytes / size) * scale) / scale;
    if (Math.floor((value * size) / slotBytes) === slots) return `${value} ${unit}`;
  }
  return `${slotsBytes} B`;
}

const count = (n: number): string => n.toLocaleString("en-US");
