/**
 * What protocol messages are made of: plain data that both transports carry unchanged. Objects are
 * plain and their entries are never undefined.
 */
export type Data =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Data[]
  | { readonly [name: string]: Data };

/**
 * The canonical text of data: what digests are made of and what lengths are counted by. Equal texts
 * mean equal data; entries of objects keep the order in which they were written down.
 */
export function textOf(data: Data): string {
  switch (typeof data) {
    case "string":
      return JSON.stringify(data);
    case "bigint":
      return `${data}n`;
    case "object":
      return data === null ? "null" : textOfObject(data);
    default:
      return String(data);
  }
}

function textOfObject(data: readonly Data[] | { readonly [name: string]: Data }): string {
  if (Array.isArray(data)) return `[${data.map(textOf).join(",")}]`;
  const entries = Object.entries(data as { readonly [name: string]: Data });
  return `{${entries.map(([name, value]) => `${name}:${textOf(value)}`).join(",")}}`;
}
