/** Next calls this once when a server process starts, before it answers the first request. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { startBackgroundWork } = await import("@fmlab/api/server");
  startBackgroundWork();
}
