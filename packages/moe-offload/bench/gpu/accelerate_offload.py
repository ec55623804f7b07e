"""Accelerate's offloading on a Mixture-of-Experts model of true widths and random weights.

Run by the machine's own Python; needs torch with CUDA, transformers and accelerate. Everything but
the routed experts lies on the card; experts of as many first layers as the budget holds lie there
too, the others in host memory, from which Accelerate's hooks bring them for each forward pass.
Prints one line of JSON. Exits with 2 and a message where it cannot run.

Transformers 5 keeps the experts of a layer in one parameter, so that they travel together; older
versions keep one module an expert, of which only those that are used travel. `expertModules` tells.
"""

import argparse
import json
import sys
import time

# Published configurations: the names are those of the repository's shapes.
MODELS = {
    "mixtral-8x7b": (
        "MixtralConfig",
        dict(
            vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
            num_attention_heads=32, num_key_value_heads=8, num_local_experts=8,
            num_experts_per_tok=2, rms_norm_eps=1e-5, tie_word_embeddings=False,
        ),
    ),
    "qwen1.5-moe-a2.7b": (
        "Qwen2MoeConfig",
        dict(
            vocab_size=151936, hidden_size=2048, intermediate_size=5632, num_hidden_layers=24,
            num_attention_heads=16, num_key_value_heads=16, num_experts=60,
            num_experts_per_tok=4, moe_intermediate_size=1408,
            shared_expert_intermediate_size=5632, decoder_sparse_step=1, norm_topk_prob=False,
            rms_norm_eps=1e-6, tie_word_embeddings=False,
        ),
    ),
}
# Weights are cut from one block of random numbers: filling gigabytes anew takes minutes.
BLOCK_ELEMENTS = 2**22


def fail(message):
    sys.stderr.write(f"accelerate_offload: {message}\n")
    sys.exit(2)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(MODELS), default="mixtral-8x7b")
    parser.add_argument("--layers", type=int, default=4, help="layers that are kept")
    parser.add_argument("--vram-bytes", type=int, required=True, help="for weights, experts too")
    parser.add_argument("--batch", type=int, default=16, help="sequences evaluated together")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of each prompt")
    parser.add_argument("--tokens", type=int, default=32, help="tokens written after each")
    parser.add_argument("--rounds", type=int, default=3, help="after one that is not counted")
    parser.add_argument("--seed", type=int, default=20261123)
    args = parser.parse_args()
    for name in ("layers", "batch", "prompt", "rounds"):
        if getattr(args, name) < 1:
            fail(f"--{name} {getattr(args, name)}; expected at least 1")
    if args.tokens < 2:
        fail(f"--tokens {args.tokens}; expected at least 2, the first of which ends the prefill")
    return args


def libraries():
    found = {}
    for name in ("torch", "transformers", "accelerate"):
        try:
            found[name] = __import__(name)
        except ImportError as error:
            fail(f"{name} cannot be imported ({error}); use a Python that has it: --python FILE")
    if not found["torch"].cuda.is_available():
        fail("torch finds no CUDA card")
    return found["torch"], found["transformers"], found["accelerate"]


def build(args, torch, transformers, accelerate):
    """The model with its weights in host memory; buffers are real, parameters are filled here."""
    name, sizes = MODELS[args.model]
    config = getattr(transformers, name)(**{**sizes, "num_hidden_layers": args.layers})
    config._attn_implementation = "sdpa"
    torch.set_default_dtype(torch.float16)
    with accelerate.init_empty_weights(include_buffers=False):
        model = transformers.AutoModelForCausalLM.from_config(config)
    torch.set_default_dtype(torch.float32)
    generator = torch.Generator().manual_seed(args.seed)
    block = (torch.randn(BLOCK_ELEMENTS, generator=generator) * 0.02).half()
    for path, parameter in list(model.named_parameters()):
        if path.endswith("norm.weight"):
            value = torch.ones(parameter.shape, dtype=torch.float16)
        else:
            count = parameter.numel()
            value = block.repeat(-(-count // BLOCK_ELEMENTS))[:count].reshape(parameter.shape)
        accelerate.utils.set_module_tensor_to_device(
            model, path, "cpu", value=value.clone(), dtype=torch.float16
        )
    return model.eval(), config


def bytes_of(module):
    return sum(one.numel() * one.element_size() for one in module.parameters())


def place(model, vram_bytes):
    """A device for every module that holds something; experts of first layers as far as they fit."""
    experts = {n: m for n, m in model.named_modules() if n.endswith(".experts")}
    if not experts:
        fail("this version of transformers calls the experts of a layer otherwise than `experts`")
    expert_bytes = sum(bytes_of(one) for one in experts.values())
    room = vram_bytes - (bytes_of(model) - expert_bytes)
    if room < 0:
        fail(f"the budget is {-room} bytes less than what lies beside the experts")
    device_map, resident_bytes, is_full = {}, 0, False
    for name, module in experts.items():
        size = bytes_of(module)
        is_full = is_full or resident_bytes + size > room
        device_map[name] = "cpu" if is_full else 0
        resident_bytes += 0 if is_full else size
    for name, module in model.named_modules():
        inside = any(name == one or name.startswith(f"{one}.") for one in experts)
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own and not inside:
            device_map[name] = 0
    return device_map, expert_bytes, resident_bytes


def pin(model, device_map):
    """Page-locks what is offloaded; says whether the system let it."""
    try:
        for name, device in device_map.items():
            if device == "cpu":
                for parameter in model.get_submodule(name).parameters():
                    parameter.data = parameter.data.pin_memory()
        return True
    except RuntimeError:
        return False


def one_round(torch, model, prompts, tokens):
    """Seconds until the first token of each sequence, and of the others; all greedy."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    out = model(input_ids=prompts, use_cache=True, logits_to_keep=1)
    chosen = out.logits[:, -1:].argmax(-1)
    torch.cuda.synchronize()
    middle = time.perf_counter()
    for _ in range(tokens - 1):
        out = model(input_ids=chosen, past_key_values=out.past_key_values, use_cache=True)
        chosen = out.logits[:, -1:].argmax(-1)
    torch.cuda.synchronize()
    return middle - start, time.perf_counter() - middle


def main():
    args = parse()
    torch, transformers, accelerate = libraries()
    torch.manual_seed(args.seed)
    model, config = build(args, torch, transformers, accelerate)
    device_map, expert_bytes, resident_bytes = place(model, args.vram_bytes)
    pinned = pin(model, device_map)
    offloaded = [name for name, device in device_map.items() if device == "cpu"]
    modules = sum(len(list(model.get_submodule(n).children())) > 0 for n in offloaded)
    model = accelerate.dispatch_model(model, device_map=device_map, main_device=0)
    prompts = torch.randint(0, config.vocab_size, (args.batch, args.prompt), device="cuda:0")
    rounds = []
    with torch.inference_mode():
        one_round(torch, model, prompts, 2)
        torch.cuda.reset_peak_memory_stats()
        for _ in range(args.rounds):
            rounds.append(one_round(torch, model, prompts, args.tokens))
    result = {
        "model": args.model, "layers": args.layers, "batch": args.batch,
        "prompt": args.prompt, "tokens": args.tokens,
        "expertBytes": expert_bytes, "residentExpertBytes": resident_bytes,
        "offloadedLayers": len(offloaded),
        "expertModules": "single" if modules else "fused", "pinned": pinned,
        "rounds": [
            {
                "prefillSeconds": prefill, "decodeSeconds": decode,
                "prefillTokensPerSecond": args.batch * args.prompt / prefill,
                "decodeTokensPerSecond": args.batch * (args.tokens - 1) / decode,
            }
            for prefill, decode in rounds
        ],
        "peakVramBytes": torch.cuda.max_memory_allocated(),
        "card": torch.cuda.get_device_name(0),
        "versions": {
            "python": sys.version.split()[0], "torch": torch.__version__,
            "transformers": transformers.__version__, "accelerate": accelerate.__version__,
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
