import { badFile } from "../errors.ts";

/** An element of an XML document, with all that GraphML needs. */
export interface XmlElement {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  /** Text directly inside, entities resolved. */
  text: string;
  line: number;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const COMMENT = "<!--[\\s\\S]*?-->";
const CDATA = "<!\\[CDATA\\[([\\s\\S]*?)\\]\\]>";
const PROLOGUE = "<\\?[\\s\\S]*?\\?>|<!DOCTYPE[^>]*>";
const CLOSING = "</([^\\s>]+)\\s*>";
const ATTRIBUTE = "\\s+[^\\s=>]+\\s*=\\s*(?:\"[^\"]*\"|'[^']*')";
const OPENING = `<([^\\s/>!?]+)((?:${ATTRIBUTE})*)\\s*(/?)>`;
const TOKEN = new RegExp([COMMENT, CDATA, PROLOGUE, CLOSING, OPENING].join("|"), "g");

/**
 * Reads a small XML document: elements, attributes, text, comments, CDATA, character references.
 * No namespaces, no external entities and no DTD.
 *
 * @returns the root element
 * @throws CncError `BAD_FILE` with the line of what is wrong
 */
export function parseXml(source: string, path: string): XmlElement {
  const lineOf = lineCounter(source);
  const top: XmlElement = { name: "", attributes: {}, children: [], text: "", line: 1 };
  const open: XmlElement[] = [top];
  let end = 0;
  for (const match of source.matchAll(TOKEN)) {
    const current = open[open.length - 1] as XmlElement;
    const between = source.slice(end, match.index);
    if (between.includes("<")) {
      throw badFile(path, lineOf(end + between.indexOf("<")), "malformed XML: a tag is not closed");
    }
    current.text += resolve(between);
    end = match.index + match[0].length;
    const [, cdata, closing, opening, attributes = "", selfClosing] = match;
    if (cdata !== undefined) current.text += cdata;
    else if (closing !== undefined) {
      if (open.length === 1 || current.name !== closing) {
        const expected = open.length === 1 ? "nothing is open" : `</${current.name}> is due`;
        throw badFile(path, lineOf(match.index), `malformed XML: </${closing}>, but ${expected}`);
      }
      open.pop();
    } else if (opening !== undefined) {
      const line = lineOf(match.index);
      const element = {
        name: opening,
        attributes: parseAttributes(attributes),
        children: [],
        text: "",
        line,
      };
      current.children.push(element);
      if (selfClosing !== "/") open.push(element);
    }
  }
  const last = open[open.length - 1] as XmlElement;
  if (open.length > 1) throw badFile(path, last.line, `malformed XML: <${last.name}> never ends`);
  const root = top.children[0];
  if (root === undefined) throw badFile(path, 1, "this is no XML document");
  return root;
}

function parseAttributes(source: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = "", quoted, apostrophed] of source.matchAll(
    /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g,
  )) {
    found[name] = resolve(quoted ?? apostrophed ?? "");
  }
  return found;
}

function resolve(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(#x?)?([0-9a-zA-Z]+);/g,
    (whole, mark: string | undefined, name: string) => {
      if (mark === undefined) return ENTITIES[name] ?? whole;
      const code = Number.parseInt(name, mark === "#x" ? 16 : 10);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

/** Line of an offset; asked with rising offsets, it counts each line break once. */
function lineCounter(source: string): (offset: number) => number {
  let line = 1;
  let counted = 0;
  return (offset) => {
    if (offset < counted) return source.slice(0, offset).split("\n").length;
    for (; counted < offset; counted++) if (source.charCodeAt(counted) === 10) line++;
    return line;
  };
}
