import os from "node:os";
import type { Offence } from "../repository/syntax.ts";

/** Absolute paths of somebody's machine. */
const ABSOLUTE = /(?<![\w.:/-])\/(?:home|root|Users|work|tmp|mnt|opt|srv|media|data)\/[\w.-]/;
const WINDOWS = /\b[A-Z]:\\\\?[A-Za-z]/;

/** Paths of particular machines in any file that is committed. */
export function findMachinePaths(name: string, text: string): Offence[] {
  return text.split("\n").flatMap((line, i) => {
    // Alice has no machine: tests and examples may use her home.
    const found = /(?<![\w.-])\/(?:work|root|home)\/(?!alice\b)[\w.-]+/.exec(line);
    return found === null
      ? []
      : [{ at: `${name}:${i + 1}`, what: `path of a particular machine: ${found[0]}` }];
  });
}

/** What would tell where a committed run was made: host name, user name, absolute paths. */
export function findPrivateFacts(name: string, text: string): Offence[] {
  const names = [os.hostname(), os.userInfo().username].filter(
    // Names that are ordinary words would be found in any text.
    (word) => word.length > 3 && !["root", "node", "localhost", "user"].includes(word),
  );
  return text.split("\n").flatMap((line, i) => {
    const path = ABSOLUTE.exec(line)?.[0] ?? WINDOWS.exec(line)?.[0];
    const word = names.find((one) => line.includes(one));
    const what = path === undefined ? word : `absolute path ${path}…`;
    return what === undefined ? [] : [{ at: `${name}:${i + 1}`, what: `private: ${what}` }];
  });
}
