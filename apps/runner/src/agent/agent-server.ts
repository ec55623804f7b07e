import type {
  AttemptOrder,
  Fence,
  finishInput,
  Job,
  Report,
  registerInput,
  startInput,
} from "@fmlab/api/protocol";
import type { z } from "zod";
import type { StagedArtifact } from "../context/run-event.ts";

/** What an agent asks of the server; every call may be repeated. */
export interface AgentServer {
  register(input: z.input<typeof registerInput>): Promise<{ machineId: string }>;
  /** Waits at the server up to `waitMs` for a run this machine can take. */
  claim(input: { machineId: string; waitMs: number }, signal: AbortSignal): Promise<Job | null>;
  /** Orders in the order of the attempts. Ends as `SERVER_AWAY` when the signal gives it up. */
  renew(
    input: { machineId: string; attempts: Fence[] },
    signal: AbortSignal,
  ): Promise<{ orders: AttemptOrder[] }>;
  start(input: z.input<typeof startInput>): Promise<{ order: AttemptOrder }>;
  report(input: Report): Promise<{ order: AttemptOrder }>;
  finish(input: z.input<typeof finishInput>): Promise<{ accepted: boolean }>;
  putArtifact(fence: Fence, artifact: StagedArtifact): Promise<void>;
}
