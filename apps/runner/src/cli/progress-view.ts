import type { SingleBar } from "cli-progress";
import { note } from "./terminal.ts";

/** Without a terminal a line is printed when this share of the work is done. */
const LINE_EVERY = 0.1;

/** Shows how far long work is: a bar on a terminal, now and then a line elsewhere. */
export class ProgressView {
  #bar: SingleBar | undefined;
  #isBarShown = false;
  #told = Number.NEGATIVE_INFINITY;
  #label = "";

  private constructor(bar: SingleBar | undefined) {
    this.#bar = bar;
  }

  static async create(isQuiet: boolean): Promise<ProgressView | undefined> {
    if (isQuiet) return undefined;
    if (!process.stderr.isTTY) return new ProgressView(undefined);
    const { default: progress } = await import("cli-progress");
    const format = "{bar} {percentage}% {value}/{total} {label} ({duration_formatted})";
    const options = { format, hideCursor: true, stream: process.stderr, clearOnComplete: true };
    return new ProgressView(new progress.SingleBar(options, progress.Presets.shades_classic));
  }

  /** A bar, where there is a terminal for it; for work whose results are lines of their own. */
  static async onTerminal(isQuiet: boolean): Promise<ProgressView | undefined> {
    return process.stderr.isTTY ? ProgressView.create(isQuiet) : undefined;
  }

  show(done: number, total: number, label: string): void {
    if (this.#bar !== undefined) {
      if (this.#isBarShown) {
        this.#bar.setTotal(Math.max(total, done));
        this.#bar.update(done, { label });
      } else this.#bar.start(Math.max(total, done), done, { label });
      this.#isBarShown = true;
      return;
    }
    const share = total > 0 ? done / total : 0;
    if (label === this.#label && share < this.#told + LINE_EVERY && share < 1) return;
    if (label === this.#label && share === this.#told) return;
    this.#label = label;
    this.#told = share;
    const percent = total > 0 ? `${Math.round(share * 100)} % ` : "";
    note(`${percent}${done}${total > 0 ? `/${total}` : ""} ${label}`.trimEnd());
  }

  /** Prints a line above the bar. */
  line(text: string, print: (text: string) => void = note): void {
    if (this.#isBarShown) process.stderr.write("\r\x1b[2K");
    print(text);
  }

  close(): void {
    if (this.#isBarShown) this.#bar?.stop();
  }
}
