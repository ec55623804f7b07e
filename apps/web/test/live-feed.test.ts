import { describe, expect, it } from "vitest";
import type { Locks } from "../src/features/live/leader.ts";
import {
  type Channel,
  type Connect,
  joinFeed,
  type LiveEvent,
  type LiveStatus,
} from "../src/features/live/live-feed.ts";

const event = (runId: string): LiveEvent => ({ runId, projectId: "p", what: ["state"] });
/** Lets every promise that is ready run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Web Locks as the standard has them, for one browser: one holder a name, the others wait in
 * order.
 */
function browserLocks(): Locks {
  const queues = new Map<string, Promise<unknown>>();
  return {
    request(name, { signal }, held) {
      const turn = (queues.get(name) ?? Promise.resolve()).then(async () => {
        if (signal.aborted) throw new DOMException("aborted", "AbortError");
        await held();
      });
      queues.set(
        name,
        turn.catch(() => undefined),
      );
      return turn;
    },
  };
}

/** A browser with tabs: broadcast between them, and a server that counts its connections. */
function browser(withLocks = true) {
  const channels = new Set<Channel>();
  const open = new Map<symbol, Parameters<Connect>[0]>();
  const locks = withLocks ? browserLocks() : undefined;
  const openChannel = (): Channel => {
    const channel: Channel = {
      onmessage: null,
      postMessage(data) {
        for (const other of channels) {
          if (other !== channel) other.onmessage?.({ data } as MessageEvent);
        }
      },
      close: () => channels.delete(channel),
    };
    channels.add(channel);
    return channel;
  };
  const openTab = () => {
    const seen: { events: string[]; statuses: LiveStatus[] } = { events: [], statuses: [] };
    const close = joinFeed({
      name: "feed",
      locks,
      channel: openChannel(),
      connect: (handlers) => {
        const id = Symbol("connection");
        open.set(id, handlers);
        return () => open.delete(id);
      },
      onEvent: ({ runId }) => seen.events.push(runId),
      onStatus: (status) => seen.statuses.push(status),
    });
    return { ...seen, close };
  };
  return { openTab, connections: () => [...open.values()] };
}

describe("live events over all tabs", () => {
  it("hold one connection however many tabs are open, and every tab gets every event once", async () => {
    const { openTab, connections } = browser();
    const tabs = [openTab(), openTab(), openTab()];
    await settle();
    expect(connections()).toHaveLength(1);
    connections()[0]?.onEvent(event("r1"), "1");
    connections()[0]?.onEvent(event("r2"), "2");
    for (const tab of tabs) expect(tab.events).toEqual(["r1", "r2"]);
  });

  it("go on in another tab from the last event when the leader closes", async () => {
    const { openTab, connections } = browser();
    const [first, second] = [openTab(), openTab()];
    await settle();
    connections()[0]?.onEvent(event("r1"), "17");
    first.close();
    await settle();
    expect(connections()).toHaveLength(1);
    expect(connections()[0]?.lastEventId).toBe("17");
    connections()[0]?.onEvent(event("r2"), "18");
    expect(second.events).toEqual(["r1", "r2"]);
    expect(first.events).toEqual(["r1"]);
  });

  it("skip a tab that closed while it waited to lead", async () => {
    const { openTab, connections } = browser();
    const [first, second, third] = [openTab(), openTab(), openTab()];
    await settle();
    second.close();
    first.close();
    await settle();
    await settle();
    expect(connections()).toHaveLength(1);
    connections()[0]?.onEvent(event("r"), "1");
    expect([second.events, third.events]).toEqual([[], ["r"]]);
  });

  it("tell every tab, also one opened later, how the connection is doing", async () => {
    const { openTab, connections } = browser();
    const first = openTab();
    await settle();
    connections()[0]?.onStatus("live");
    connections()[0]?.onStatus("down");
    const second = openTab();
    await settle();
    expect(first.statuses).toEqual(["live", "down"]);
    expect(second.statuses).toEqual(["down"]);
  });

  it("connect in each tab where the browser has no Web Locks, without hearing events twice", async () => {
    const { openTab, connections } = browser(false);
    const tabs = [openTab(), openTab()];
    await settle();
    expect(connections()).toHaveLength(2);
    for (const connection of connections()) connection.onEvent(event("r"), "1");
    for (const tab of tabs) expect(tab.events).toEqual(["r"]);
  });
});
