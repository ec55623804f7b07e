const OCTET = "(25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const IPV4 = `127(\\.${OCTET}){3}`;
const HOST = new RegExp(`^(localhost|${IPV4}|\\[::1\\])(:\\d+)?$`, "i");
/** `::ffff:` stands before an IPv4 address on a socket that takes both. */
const ADDRESS = new RegExp(`^((::ffff:)?${IPV4}|::1)$`, "i");

/** Whether a Host header (`name` or `name:port`) names this machine's own network. */
export const isLoopbackHost = (host: string): boolean => HOST.test(host);

/** Whether an address, as a socket tells it, is of this machine's own network. */
export const isLoopbackAddress = (address: string): boolean => ADDRESS.test(address);
