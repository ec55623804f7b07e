/**
 * The engine on a card against the engine on the CPU: logits and text of a model file, logits of
 * made-up models in each type of weights, and every strategy that loads experts against all
 * experts resident, which must be the same to the bit with the same graphs; and strategies whose
 * misses the CPU computes, which must be within the tolerance of the model's logits.
 *
 *     npm run bench -- gpu-parity --device cuda|vulkan [--tokens 200] [--model FILE]
 *       [--types Q8_0,Q4_K] [--strategies lru,fate] [--only model,types,policies,cpu] [--json]
 *
 * Ends with 1 when a tolerance is exceeded, a bit differs, or the card's likeliest token along the
 * CPU's greedy text is another where the two were further apart than the logits' tolerance; with 2
 * where it cannot run. Near ties are printed, with their gaps; they are no failure. Runs in one
 * process, and from a bundle.
 */
import { parseArgs } from "node:util";
import { SUPPORTED_WEIGHT_TYPES } from "../src/model/weight-types.ts";
import { STRATEGY_NAMES } from "../src/offload/strategies.ts";
import { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { areCpuMissesClose, compareCpuMisses } from "./gpu/cpu-misses.ts";
import { cardOf, describeCard, headLine, wholeNumber } from "./gpu/device-facts.ts";
import { modelPath, openBenchFile } from "./gpu/open-model.ts";
import { compareOnModel, isWithin, textOf } from "./gpu/parity-on-model.ts";
import { cpuMissText, modelText, policyText, quantisationText } from "./gpu/parity-report.ts";
import { comparePolicies, isIdentical } from "./gpu/policies-on-device.ts";
import { compareQuantisation, DEFAULT_TYPES } from "./gpu/quantisations.ts";

/** Tokens of strategies, at most: more would show no more. */
const STRATEGY_TOKENS_MAX = 64;
/** Tokens of made-up models, of which those that are routed alike are compared. */
const TYPE_TOKENS = 32;

/** What can be left out with `--only`. */
const PARTS = ["model", "types", "policies", "cpu"] as const;

const { values } = parseArgs({
  options: {
    device: { type: "string" },
    tokens: { type: "string", default: "200" },
    model: { type: "string" },
    types: { type: "string", default: DEFAULT_TYPES.join() },
    strategies: { type: "string", default: STRATEGY_NAMES.join() },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

function main(): boolean {
  const { card, name } = cardOf(values.device);
  const tokens = wholeNumber("tokens", values.tokens, 2);
  const types = namesOf("types", values.types, SUPPORTED_WEIGHT_TYPES);
  const strategies = namesOf("strategies", values.strategies, STRATEGY_NAMES);
  const wanted = values.only ? namesOf("only", values.only, PARTS) : PARTS;
  const wants = (part: (typeof PARTS)[number]) => wanted.includes(part);
  const model = openBenchFile(modelPath(values.model));
  const machine = describeCard(card);
  say(`gpu-parity: ${name} against the CPU\n${headLine(machine)}\n`);
  const tokenizer = new Tokenizer(model.file);
  const show = (token: number) => JSON.stringify(tokenizer.decode([token]));
  const onModel = wants("model") ? compareOnModel(model, name, tokens) : undefined;
  if (onModel) say(`${model.path}, ${tokens} tokens\n${modelText(onModel, show)}\n`);
  const onTypes = wants("types")
    ? types.map((one) => compareQuantisation(one, name, TYPE_TOKENS))
    : [];
  if (wants("types")) say(`made-up models by type of weights\n${quantisationText(onTypes)}\n`);
  const text = textOf(model, Math.min(tokens, STRATEGY_TOKENS_MAX));
  const onPolicies = wants("policies") ? comparePolicies(model, name, text, strategies) : undefined;
  if (onPolicies) say(`strategies against all resident\n${policyText(onPolicies)}\n`);
  const onCpu = wants("cpu") ? compareCpuMisses(model, name, text) : [];
  if (wants("cpu")) say(`misses on the CPU against all resident\n${cpuMissText(onCpu)}\n`);
  model.file.close();
  const verdicts = {
    model: !onModel || isWithin(onModel),
    types: onTypes.every((one) => one.isWithin),
    policies: !onPolicies || isIdentical(onPolicies),
    cpu: areCpuMissesClose(onCpu),
  };
  const passed = Object.values(verdicts).every(Boolean);
  say(passed ? "all within tolerance" : `FAILED: ${JSON.stringify(verdicts)}`);
  if (values.json) {
    const line = {
      name: "gpu-parity",
      ...{ device: name, model: model.path, tokens, passed, verdicts, machine },
      ...{ onModel, onTypes, onPolicies, onCpu },
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  return passed;
}

/** Each part is shown when it is done. */
function say(text: string): void {
  if (!values.json) process.stdout.write(`${text}\n`);
}

function namesOf<T extends string>(flag: string, list: string, known: readonly T[]): T[] {
  return list.split(",").map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw new Error(`--${flag} ${name}; known are ${known.join(", ")}`);
    return found;
  });
}

try {
  process.exitCode = main() ? 0 : 1;
} catch (error) {
  process.stderr.write(`gpu-parity: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
