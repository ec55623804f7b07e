/** Licences that bind loosely enough to be shipped beside Apache-2.0 code. */
const PERMITTED = new Set([
  "MIT",
  "MIT-0",
  "ISC",
  "0BSD",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "Unlicense",
  "CC0-1.0",
  "CC-BY-4.0",
  "Python-2.0",
  "Zlib",
  "PostgreSQL",
  // File-level copyleft: changed files of the package itself would have to be published; none is
  // changed.
  "MPL-2.0",
  "EPL-2.0",
]);

/** Packages allowed although their licence is not in the list, and why. */
const EXCEPTIONS: [RegExp, string][] = [
  [
    /^@img\/sharp-(libvips|win32|wasm32)/,
    "LGPL: optional, dynamically linked libraries of an image resizer that fmlab does not use",
  ],
];

/**
 * What is wrong with a package's licence; undefined when nothing is. Of alternatives (`OR`) one
 * suffices, of parts (`AND`) all are needed.
 */
export function problemOfLicence(name: string, licence: string): string | undefined {
  const alternatives = licence.replaceAll(/[()]/g, "").split(/\s+OR\s+/i);
  const isPermitted = alternatives.some((one) =>
    one.split(/\s+AND\s+/i).every((part) => PERMITTED.has(part.trim())),
  );
  if (isPermitted || EXCEPTIONS.some(([pattern]) => pattern.test(name))) return undefined;
  return `${name} is under ${licence}; it may not be used at run time`;
}
