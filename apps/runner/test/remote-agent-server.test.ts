import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { remoteAgentServer } from "../src/agent/remote-agent-server.ts";
import { ServerConnection } from "../src/server-connection.ts";

it("gives a renewal up when it is told to, and takes the server for away", async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const server = remoteAgentServer(new ServerConnection({ url, token: "t" }));
  const renewed = server.renew({ machineId: "m", attempts: [] }, AbortSignal.timeout(50));
  await expect(renewed).rejects.toMatchObject({ code: "SERVER_AWAY" });
  silent.closeAllConnections();
  silent.close();
});
