export interface EmbeddedPostgres {
  /** Address of the database `postgres`. */
  url: string;
  pid: number;
  port: number;
  /** A server left by an earlier process was taken over. */
  reused: boolean;
  isUp(): boolean;
  stop(): Promise<void>;
}

export function startPostgres(options: {
  dir: string;
  password: string;
  /** Undefined: any free port. */
  port?: number;
  /** False: take a free port when Postgres cannot have `port`. Default true. */
  portIsFixed?: boolean;
  logFile: string;
  /** False only for throw-away test servers. */
  fsync?: boolean;
}): Promise<EmbeddedPostgres>;

export function ensureDatabase(url: string, name: string): Promise<string>;
export function isListening(port: number, host?: string): Promise<boolean>;
export function freePort(): Promise<number>;
export function isAlive(pid: number): boolean;
