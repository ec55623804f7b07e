const startedAt = performance.now();

/** Seconds since the script began, one decimal. */
export function secondsSinceStart() {
  return ((performance.now() - startedAt) / 1000).toFixed(1);
}

/** One line of the start script's own output. */
export function log(message) {
  process.stdout.write(`[fmlab +${secondsSinceStart()}s] ${message}\n`);
}
