"""Tiny random models of several families, each with a tokenizer and the habits of its family's own."""

from __future__ import annotations

from pathlib import Path

from sample.news.generator import rows
from workshop.prompt import chat_messages

# Every dimension is a multiple of 64: bitsandbytes' kernels for CPUs fail on others.
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 4096,
    "initializer_range": 0.1,  # large enough that tokens matter to each other
}
# Names of the special tokens as the family's tokenizers have them, and what its texts begin with.
TOKENS = {
    "llama": {"bos": "<|begin_of_text|>", "eos": "<|end_of_text|>", "pad": "<|finetune_right_pad_id|>"},
    "qwen3": {"eos": "<|endoftext|>", "pad": "<|endoftext|>", "spare": "<|fim_pad|>"},
    "gemma3": {"bos": "<bos>", "eos": "<eos>", "pad": "<pad>"},
    "exaone4": {"bos": "[BOS]", "eos": "[|endofturn|]", "pad": "[PAD]"},
}
BEGINS_WITH_BOS = {"llama", "gemma3"}  # EXAONE names a BOS token that its tokenizer never writes
FAMILIES = tuple(TOKENS)


def tiny_config(family: str, **changes):
    """Return a configuration with two layers; where a family mixes kinds of attention, one of each."""
    from transformers import Exaone4Config, Gemma3TextConfig, LlamaConfig, Qwen3Config

    def rope(theta: float, **scaling) -> dict:
        return {"rope_theta": theta, "rope_type": "default"} | scaling

    # None has its family's default: a reader that misses it is found out.
    ropes = {"full_attention": rope(3e3, rope_type="linear", factor=2.0), "sliding_attention": rope(500.0)}
    mixed = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 16}
    kind, own = {
        "llama": (LlamaConfig, {"tie_word_embeddings": False, "rope_parameters": rope(300.0)}),
        "qwen3": (
            Qwen3Config,
            {"tie_word_embeddings": True, "bos_token_id": 0, "rope_parameters": rope(2e3)},
        ),
        "gemma3": (Gemma3TextConfig, mixed | {"rope_parameters": ropes}),
        "exaone4": (Exaone4Config, mixed | {"tie_word_embeddings": True, "rope_parameters": rope(700.0)}),
    }[family]
    return kind(**SIZES | {"vocab_size": 512} | own | changes)


def tiny_model(family: str, *, seed: int = 0, **changes):
    """Return a random model in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    attention = changes.pop("attn_implementation", None)
    model = AutoModelForCausalLM.from_config(tiny_config(family, **changes), attn_implementation=attention)
    return model.float().eval()


def tiny_tokenizer(family: str):
    """Train a byte-level tokenizer of 512 ids on a few generated articles."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    names = TOKENS[family]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=list(dict.fromkeys(names.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator((row["document"] for row in rows(40, seed=3)), trainer)
    if family in BEGINS_WITH_BOS:
        raw.post_processor = processors.TemplateProcessing(
            single=f"{names['bos']} $A", special_tokens=[(names["bos"], raw.token_to_id(names["bos"]))]
        )
    special = {f"{name}_token": token for name, token in names.items() if name != "spare"}
    return PreTrainedTokenizerFast(tokenizer_object=raw, **special)


def write_tiny_model(family: str, folder: Path) -> Path:
    """Write a model folder as the hub would have it and return it."""
    tokenizer = tiny_tokenizer(family)
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    if tokenizer.bos_token_id is not None:
        ids["bos_token_id"] = tokenizer.bos_token_id
    model = tiny_model(family, **ids)
    model.bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def conversations(num_rows: int, *, seed: int) -> list[list[dict[str, str]]]:
    """Return generated articles with their summaries as messages."""
    return [chat_messages(row["document"], row["summary"]) for row in rows(num_rows, seed)]
