import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDomainError } from "@fmlab/experiment";
import { openGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { fieldMap } from "../../../ggml/test/gguf/field-map.ts";
import { mutate, seededRandom } from "../../../ggml/test/gguf/mutate.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-model-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("1,000 mutated headers of the shipped model", () => {
  it("describe a model, or are refused with a domain error", () => {
    const whole = readFileSync(SHIPPED_MODEL);
    const { fields, headerEnd } = fieldMap(whole);
    const source = { header: whole.subarray(0, headerEnd), fields, fileBytes: whole.length };
    const random = seededRandom(21);
    const path = join(folder, "mutant.gguf");
    const codes = new Map<string, number>();
    for (let i = 0; i < 1000; i++) {
      const mutant = mutate(source, random);
      // The data part stays sparse: nothing here reads it.
      const fd = openSync(path, "w");
      writeSync(fd, mutant.header, 0, Math.min(headerEnd, mutant.fileBytes), 0);
      ftruncateSync(fd, mutant.fileBytes);
      closeSync(fd);
      const code = outcome(path, mutant.how);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect(codes.get("accepted") ?? 0).toBeGreaterThan(0);
    expect(codes.size).toBeGreaterThanOrEqual(8);
  });
});

function outcome(path: string, how: string): string {
  try {
    const file = openGguf(path);
    try {
      expertLayout(file, describeModel(file));
      new Tokenizer(file).encode("The lamp 12 😀");
      return "accepted";
    } finally {
      file.close();
    }
  } catch (error) {
    if (isDomainError(error)) return error.failure.code;
    throw new Error(`not a domain error for: ${how}`, { cause: error });
  }
}
