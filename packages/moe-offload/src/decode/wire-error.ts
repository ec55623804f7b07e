import { DomainError, ExperimentError, isDomainError } from "@fmlab/experiment";
import { GgufError } from "@fmlab/ggml";
import { MoeError } from "../errors.ts";

/** An error as plain data, to cross the border between two threads. */
export interface WireError {
  name: string;
  message: string;
  stack: string | undefined;
  /** Evidence of a domain error. */
  failure: { code: string } | undefined;
}

/** Turns an error into plain data. */
export function toWire(error: unknown): WireError {
  const known = error instanceof Error ? error : new Error(String(error));
  return {
    name: known.name,
    message: known.message,
    stack: known.stack,
    failure: isDomainError(error) ? error.failure : undefined,
  };
}

/** Errors this package knows by class; others come back as plain domain errors of their name. */
const CLASSES: Readonly<Record<string, unknown>> = { ExperimentError, GgufError, MoeError };

/** The error again, of its own class where this package knows it. */
export function fromWire(wire: WireError): Error {
  if (wire.failure === undefined) {
    const error = new Error(wire.message);
    error.name = wire.name;
    if (wire.stack !== undefined) error.stack = wire.stack;
    return error;
  }
  const Class = (CLASSES[wire.name] ?? DomainError) as typeof DomainError<{ code: string }>;
  const error = new Class(wire.message, wire.failure);
  error.name = wire.name;
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}
