/**
 * Okabe and Ito's colours for people with any colour vision (https://jfly.uni-koeln.de/color/),
 * darkened or lightened so that each keeps a contrast of 3:1 to the panel it lies on. Their sky
 * blue, darkened so far, is their blue: a light violet stands for it.
 */
const LIGHT = ["#0072b2", "#c25400", "#00805f", "#b4568e", "#7d6a00", "#9a7df0", "#5b5b5b"];
const DARK = ["#6cbcf0", "#e69f00", "#2fc39b", "#e196bf", "#f0e442", "#8ea6ff", "#bdbdbd"];

/**
 * Stops of viridis (matplotlib, CC0): equal steps look equal, also in grey and to colour-blind
 * readers.
 */
const VIRIDIS: [number, number, number][] = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 74, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [109, 205, 89],
  [180, 222, 44],
  [253, 231, 37],
];

/** The colour of the `index`th of a set of named things. */
export function categoryColor(index: number, dark: boolean): string {
  const colors = dark ? DARK : LIGHT;
  return colors[index % colors.length] ?? "#888888";
}

/** How a line is dashed once the colours have been used up. */
export function categoryDash(index: number): number[] | undefined {
  return [undefined, [6, 3], [2, 3], [8, 3, 2, 3]][Math.floor(index / LIGHT.length) % 4];
}

/** How the `index`th reference or bound is dashed; solid lines stand for what was measured. */
export function referenceDash(index: number): number[] {
  const dashes = [
    [7, 4],
    [2, 3],
    [9, 3, 2, 3],
    [14, 4],
    [4, 2],
    [1, 4],
    [9, 3, 2, 3, 2, 3],
    [3, 6],
  ];
  return dashes[index % dashes.length] ?? [7, 4];
}

/** Colour of a share 0..1 on the continuous scale. */
export function scaleColor(share: number): string {
  const clamped = Math.min(1, Math.max(0, share));
  const at = clamped * (VIRIDIS.length - 1);
  const low = VIRIDIS[Math.floor(at)] ?? VIRIDIS[0];
  const high = VIRIDIS[Math.ceil(at)] ?? low;
  if (low === undefined || high === undefined) return "#888888";
  const mix = (i: 0 | 1 | 2) => Math.round(low[i] + (high[i] - low[i]) * (at - Math.floor(at)));
  return `rgb(${mix(0)} ${mix(1)} ${mix(2)})`;
}

/** The continuous scale as a CSS gradient, for legends. */
export function scaleGradient(): string {
  return `linear-gradient(to right, ${VIRIDIS.map(([r, g, b]) => `rgb(${r} ${g} ${b})`).join(", ")})`;
}
