import net from "node:net";

/** True for addresses that only this machine reaches. */
export function isLoopback(host) {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

/** The address of a server on this machine that listens on `host`. */
export function urlOf(host, port) {
  const wildcards = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const reached = wildcards[host] ?? host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

/**
 * Throws when the port cannot be bound. Waits a moment first: after `kill -9` of an earlier start
 * its web server is still on its way out.
 */
export async function assertPortFree(host, port) {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error(`PORT must be a number from 1 to 65535, got "${process.env.PORT}"`);
  }
  for (let attempt = 1; ; attempt++) {
    const error = await bindError(host, port);
    if (!error) return;
    if (error.code === "EADDRINUSE" && attempt < 15) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      continue;
    }
    throw new Error(explain(error, host, port));
  }
}

function explain(error, host, port) {
  switch (error.code) {
    case "EADDRINUSE":
      return (
        `port ${port} on ${host} is taken by another program. Stop that program, or choose ` +
        `another port: PORT=${port + 1} npm start`
      );
    case "EACCES":
      return `this user may not bind port ${port}. Choose one above 1023: PORT=3000 npm start`;
    case "EADDRNOTAVAIL":
      return `HOST=${host} is not an address of this machine. Use 127.0.0.1 or 0.0.0.0`;
    default:
      return `cannot listen on ${host}:${port}: ${error.message}`;
  }
}

function bindError(host, port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}
