/** A text that begins with a capital, as a line of its own does. */
export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
