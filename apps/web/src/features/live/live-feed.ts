import { type Locks, standForElection } from "./leader.ts";

/** What changed of a run, as the server tells it. */
export interface LiveEvent {
  runId: string;
  projectId: string;
  what: readonly string[];
  state?: string | undefined;
}

/** `live`: events flow. `connecting`: the first attempt. `down`: lost, trying again. */
export type LiveStatus = "connecting" | "live" | "down";

/** Opens the one connection to the server; returns what closes it. */
export type Connect = (handlers: {
  lastEventId: string | undefined;
  onEvent: (event: LiveEvent, id: string) => void;
  onStatus: (status: LiveStatus) => void;
}) => () => void;

/** The part of a BroadcastChannel that the feed needs. */
export interface Channel {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
}

type Message =
  | { type: "event"; event: LiveEvent; id: string }
  | { type: "status"; status: LiveStatus }
  /** A new tab asks the leader how things are. */
  | { type: "hello" };

export interface FeedOptions {
  name: string;
  locks: Locks | undefined;
  channel: Channel;
  connect: Connect;
  onEvent: (event: LiveEvent) => void;
  onStatus: (status: LiveStatus) => void;
}

/**
 * The live events of one organisation, over a single connection however many tabs are open. The tab
 * that leads holds the connection and passes every event on; the others listen. Every tab remembers
 * the last event's id, so that a new leader continues where the old one stopped.
 *
 * @returns what leaves the feed
 */
export function joinFeed(options: FeedOptions): () => void {
  const { channel } = options;
  let leading = false;
  let status: LiveStatus = "connecting";
  let lastEventId: string | undefined;
  const setStatus = (next: LiveStatus) => {
    if (next === status) return;
    status = next;
    options.onStatus(next);
  };
  const post = (message: Message) => channel.postMessage(message);
  channel.onmessage = (received) => {
    const message = received.data as Message;
    if (message.type === "hello") {
      if (leading) post({ type: "status", status });
    } else if (leading) {
      // A leader listens to its own connection only.
    } else if (message.type === "event") {
      lastEventId = message.id;
      options.onEvent(message.event);
    } else {
      setStatus(message.status);
    }
  };
  const resign = standForElection({
    name: options.name,
    locks: options.locks,
    lead: () => {
      leading = true;
      const close = options.connect({
        lastEventId,
        onEvent: (event, id) => {
          lastEventId = id;
          options.onEvent(event);
          post({ type: "event", event, id });
        },
        onStatus: (next) => {
          setStatus(next);
          post({ type: "status", status: next });
        },
      });
      return () => {
        leading = false;
        close();
      };
    },
  });
  post({ type: "hello" });
  return () => {
    resign();
    channel.close();
  };
}
