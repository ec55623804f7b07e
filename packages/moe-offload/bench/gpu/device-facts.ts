import { type Device, GgmlLibrary } from "@fmlab/ggml";
import { DEVICES, type DeviceName } from "../../src/engine/device/device-names.ts";
import { findDevice } from "../../src/engine/device/find-device.ts";
import { describeMachine } from "../paired.ts";

const MIB = 2 ** 20;

/** The card that a flag names. @throws Error for another name, EngineError `NO_DEVICE` */
export function cardOf(named: string | undefined): { name: DeviceName; card: Device } {
  const name = DEVICES.find((one) => one === named);
  if (name === undefined || name === "cpu") {
    throw new Error(`--device ${named ?? "is missing"}; expected cuda or vulkan`);
  }
  return { name, card: findDevice(GgmlLibrary.load(), name) };
}

/** Where a benchmark ran, card included. */
export function describeCard(card: Device) {
  const { totalBytes } = card.memory();
  return {
    ...describeMachine(),
    card: card.description,
    cardMemoryMiB: Math.round(totalBytes / MIB),
    api: card.api,
    hasEvents: card.capabilities.hasEvents,
    ggml: card.library.version,
  };
}

/** A line about it for the head of a report. */
export function headLine(facts: ReturnType<typeof describeCard>): string {
  return (
    `${facts.card} (${facts.api}, ${facts.cardMemoryMiB} MiB), ${facts.processor}, ` +
    `${facts.cores} cores, Node ${facts.node}, ggml ${facts.ggml}, ${facts.date}`
  );
}

/** A number flag. @throws Error for what is no whole number in the range */
export function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${flag} ${text}; expected a whole number of at least ${least}`);
}
