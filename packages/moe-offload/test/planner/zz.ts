import { smallSetup, EXPERT_BYTES } from "./small-setup.ts";
import { planMemories, speedOf } from "../../src/planner/plan.ts";
for (let seed = 1; seed <= 12; seed++) {
  const setup = smallSetup(seed);
  const mem = Array.from({ length: 22 }, (_, i) => (i + 2.5) * EXPERT_BYTES + 1e6).slice(0,20);
  const { plans } = planMemories(setup, { contextTokens: 1000, curvePoints: 2, memoryBytes: mem });
  let before = 0; const dips: string[] = [];
  plans.forEach((p, i) => { const raw = speedOf(p.options[0]!); if (raw < before * (1 - 1e-9)) dips.push(`${i + 2.5}: ${before.toFixed(2)} -> ${raw.toFixed(2)} ${p.chosen.candidate.name} chosen ${speedOf(p.chosen).toFixed(2)}`); before = Math.max(before, raw); });
  console.log(seed, dips);
}
