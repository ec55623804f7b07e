/** How bad it is. */
export type LogLevel = "info" | "warn" | "error";

/** Where the server writes what went wrong. */
export type Logger = (level: LogLevel, message: string, error?: unknown) => void;

/** One line a message on stderr, with the stack of an error. */
export const logToStderr: Logger = (level, message, error) => {
  const detail = error instanceof Error ? `\n${error.stack ?? error.message}` : "";
  process.stderr.write(`[api] ${level}: ${message}${detail}\n`);
};
