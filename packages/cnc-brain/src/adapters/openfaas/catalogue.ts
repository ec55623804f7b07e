import { fileURLToPath } from "node:url";
import { HttpRefusal } from "../http-service.ts";
import type { FunctionProgram } from "./function-process.ts";
import type { FunctionDeployment } from "./wire.ts";

/** The image that comes with this package: CPU work of a given length. */
export const BURN_IMAGE = "fmlab/burn";

/**
 * Which program an image stands for on this machine. Only images that the operator named run; a
 * deployment's own command (`envProcess`) runs where the operator allows commands, since whoever
 * may deploy may then run anything.
 */
export class FunctionCatalogue {
  readonly #images = new Map<string, FunctionProgram>();
  readonly #allowsCommands: boolean;

  constructor(images: Readonly<Record<string, FunctionProgram>> = {}, allowsCommands = false) {
    const burn = fileURLToPath(new URL("../../../functions/burn.mjs", import.meta.url));
    this.#images.set(BURN_IMAGE, { command: [process.execPath, burn], mode: "http" });
    for (const [image, program] of Object.entries(images)) this.#images.set(image, program);
    this.#allowsCommands = allowsCommands;
  }

  /**
   * The program of a deployment.
   *
   * @throws HttpRefusal 400 for an image or a command that may not run here
   */
  programOf({ image, envProcess }: FunctionDeployment): FunctionProgram {
    const known = this.#images.get(image) ?? this.#images.get(image.replace(/:[^/:]*$/, ""));
    if (known !== undefined) return known;
    const command = (envProcess ?? "").split(/\s+/).filter((part) => part !== "");
    if (command.length > 0 && this.#allowsCommands) return { command, mode: "process" };
    const names = [...this.#images.keys()].join(", ");
    throw new HttpRefusal(
      400,
      `image ${image} stands for no program here; there are ${names}` +
        (command.length > 0 ? ", and commands (envProcess) are not allowed" : ""),
    );
  }
}
