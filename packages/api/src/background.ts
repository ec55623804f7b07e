import { removeStaleUploads } from "./artifacts/store-artifact.ts";
import type { Platform } from "./platform.ts";
import { REAP_EVERY_MS, Reaper } from "./queue/reaper.ts";

const CLEAN_EVERY_MS = 3_600_000;

/**
 * Starts what a server does without being asked: listening for changes, taking runs back from lost
 * machines, clearing away broken uploads.
 *
 * @returns a function that stops it and waits for what is under way
 */
export function runBackgroundWork(platform: Platform): () => Promise<void> {
  const { db, hub, log } = platform;
  const reaper = new Reaper(db, () => performance.now());
  const started = hub.start();
  const stopReaping = repeat(REAP_EVERY_MS, async () => {
    const count = await reaper.tick();
    if (count > 0) log("warn", `ended ${count} attempts of machines that are gone or over time`);
  });
  const stopCleaning = repeat(CLEAN_EVERY_MS, () => removeStaleUploads(db));
  return async () => {
    await Promise.all([stopReaping(), stopCleaning(), started]);
    await hub.stop();
  };

  /**
   * Each turn starts `everyMs` after the last has ended; a failure is told once until one succeeds.
   */
  function repeat(everyMs: number, turn: () => Promise<unknown>): () => Promise<void> {
    let stopped = false;
    let failing = false;
    let timer: NodeJS.Timeout | undefined;
    let running: Promise<void> = Promise.resolve();
    const once = async () => {
      try {
        await turn();
        failing = false;
      } catch (error) {
        if (!failing && !stopped) log("warn", "background work failed; trying again", error);
        failing = true;
      }
      if (!stopped) timer = setTimeout(go, everyMs);
      timer?.unref();
    };
    const go = () => {
      running = once();
    };
    go();
    return async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    };
  }
}
