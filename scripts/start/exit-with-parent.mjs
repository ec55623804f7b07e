// Preloaded into every supervised process: when the start script is gone, also by kill -9, its end
// of the channel closes, and the process ends instead of holding the port for nobody. Processes
// that a part forks inherit this preload; they have a channel of their own to the part, left alone
// here.
if (process.ppid === Number(process.env.FMLAB_SUPERVISED)) {
  process.on("disconnect", () => process.exit(1));
  // The channel alone must not keep a finished process alive.
  process.channel?.unref();
}
