import pg from "pg";
import type { Logger } from "../logger.ts";
import { CHANNEL, type Notice, type RunNotice } from "./notify.ts";

/** `resync`: notices may have been missed; whoever shows something reads it again. */
export type HubEvent = RunNotice | { kind: "queue" } | { kind: "resync" };
/** Called for each event of an organisation. */
export type HubListener = (event: HubEvent) => void;

const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 5_000;
const PING_MS = 10_000;

/**
 * The server process's one LISTEN connection, fanned out by organisation. It reconnects by itself
 * and then tells every listener to read again.
 */
export class EventHub {
  readonly #url: string;
  readonly #log: Logger;
  readonly #listeners = new Map<string, Set<HubListener>>();
  #client: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = RECONNECT_MS_MIN;
  #wasConnected = false;
  #stopped = true;
  #started: Promise<void> = Promise.resolve();

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  /** Resolves after the first try to connect; a failed one is tried again in the background. */
  start(): Promise<void> {
    if (this.#stopped) {
      this.#stopped = false;
      this.#started = this.#connect();
    }
    return this.#started;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  /** @returns a function that ends the subscription */
  subscribe(organizationId: string, listener: HubListener): () => void {
    const listeners = this.#listeners.get(organizationId) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(organizationId, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(organizationId) === listeners) {
        this.#listeners.delete(organizationId);
      }
    };
  }

  /** How many subscriptions of the organisation are open. */
  listenerCount(organizationId: string): number {
    return this.#listeners.get(organizationId)?.size ?? 0;
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#url,
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
    });
    let lost = false;
    const lose = (error?: Error) => {
      if (lost) return;
      lost = true;
      clearTimeout(this.#timer);
      client.end().catch(() => undefined);
      if (this.#client === client) this.#client = undefined;
      if (this.#stopped) return;
      this.#log("warn", "the connection for live updates was lost; connecting again", error);
      this.#timer = setTimeout(() => void this.#connect(), this.#delayMs);
      this.#delayMs = Math.min(this.#delayMs * 2, RECONNECT_MS_MAX);
    };
    client.on("error", lose);
    client.on("end", () => lose());
    client.on("notification", ({ payload }) => this.#receive(payload ?? ""));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      lose(error as Error);
      return;
    }
    if (this.#stopped) {
      await client.end().catch(() => undefined);
      return;
    }
    this.#client = client;
    this.#delayMs = RECONNECT_MS_MIN;
    if (this.#wasConnected) {
      for (const id of this.#listeners.keys()) this.#emit(id, { kind: "resync" });
    }
    this.#wasConnected = true;
    this.#keepAsking(client, lose);
  }

  /** A peer that vanished without a word is only found by asking it something. */
  #keepAsking(client: pg.Client, lose: (error: Error) => void): void {
    this.#timer = setTimeout(() => {
      client.query("SELECT 1").then(() => {
        if (this.#client === client) this.#keepAsking(client, lose);
      }, lose);
    }, PING_MS);
    this.#timer.unref();
  }

  #receive(payload: string): void {
    const notice = JSON.parse(payload) as Notice;
    this.#emit(notice.organizationId, notice.kind === "run" ? notice : { kind: "queue" });
  }

  #emit(organizationId: string, event: HubEvent): void {
    for (const listener of [...(this.#listeners.get(organizationId) ?? [])]) listener(event);
  }
}
