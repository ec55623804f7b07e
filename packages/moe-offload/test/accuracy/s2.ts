import { openGguf } from "@fmlab/ggml"; import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
const f = openGguf("/work/main/models/tiny-story-moe.q8_0.gguf"); for (const [k, v] of f.metadata) if (v.type !== "array") console.log(k, String(v.value).slice(0, 80));
const t = new Tokenizer(f); console.log(t.addsBos, t.bosToken, t.eosToken, t.encode("Once upon"));
