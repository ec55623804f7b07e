import { dirname, join } from "node:path";
import { MoeError } from "../errors.ts";
import { openTwins, type TwinRequest, type Twins } from "./twins.ts";

/** Where low-precision copies lie that are kept beside a model. */
const TWIN_FOLDER = ".fmlab-twins";

/**
 * Opens a model's twins beside it, for later runs too, or in `otherFolder` where that folder cannot
 * be written or has no room.
 *
 * @throws as `openTwins`
 */
export function openTwinsNear(request: Omit<TwinRequest, "folder">, otherFolder: string): Twins {
  const folder = join(dirname(request.file.path), TWIN_FOLDER);
  try {
    return openTwins({ ...request, folder });
  } catch (error) {
    if (!(error instanceof MoeError)) throw error;
    if (!["UNWRITABLE", "DISK_FULL"].includes(error.failure.code)) throw error;
    return openTwins({ ...request, folder: otherFolder });
  }
}
