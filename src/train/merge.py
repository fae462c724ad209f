"""Merge a LoRA adapter into its base model, for serving.

    python src/train/merge.py --adapter OUTPUT/model/adapter --model_dir MERGED

The base is loaded in the dtype of its files, not in the 4 bits it was trained with: adding the adapter to
rounded weights would lose quality.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # `python -m` and tests start elsewhere

from tuning.errors import UserError, exit_with


def merge(
    *,
    base: str | None,
    adapter: Path,
    model_dir: Path,
    dtype: str = "bfloat16",
    revision: str | None = None,
    max_shard_size: str = "5GB",
) -> None:
    """Write base + adapter as one model that serves as it stands.

    Args:
        base: folder or hub name of the base model; None for the one that the adapter names.
        adapter: folder with adapter_config.json and adapter_model.safetensors, and the tokenizer.
        model_dir: where the merged model goes.
        dtype: of the merged weights.
        revision: of a base model on the hub; None for the one that the adapter names.
        max_shard_size: of one safetensors file.

    Raises:
        UserError: when the adapter or its tokenizer is missing, memory is used up, or the disk is full.
    """
    config_path = adapter / "adapter_config.json"
    missing = [
        name
        for name in ("adapter_config.json", "adapter_model.safetensors", "tokenizer.json")
        if not (adapter / name).is_file()
    ]
    if missing:
        raise UserError(
            found=f"the adapter folder {adapter} without {', '.join(missing)}",
            expected="what train.py writes to MODEL_DIR/adapter",
            next_step="run train.py first, or name its MODEL_DIR/adapter",
        )

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from tuning.artifact import write_model
    from tuning.model import check_model_folder, load_config
    from tuning.out_of_memory import explain_merge_out_of_memory

    settings = json.loads(config_path.read_text(encoding="utf-8"))
    base = base or settings["base_model_name_or_path"]
    check_model_folder(base)
    revision = revision or settings.get("revision") or "main"
    load_config(base, revision=revision)
    with explain_merge_out_of_memory(adapter, model_dir, dtype=dtype):
        model = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=getattr(torch, dtype))
        # PEFT keeps the adapter in float32 and adds into each weight in place: the sum is rounded once.
        merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    broken = [name for name, weight in merged.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise UserError(
            found=f"{len(broken)} merged weights with values that are not finite, first: {broken[0]}",
            expected="an adapter whose training converged",
            next_step="train again with a lower learning_rate",
        )
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    merged.config.use_cache = True
    # The base may name others: Qwen's end token as its BOS, two ends for Gemma's chats.
    for config in (merged.config, merged.generation_config):
        for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
            setattr(config, name, getattr(tokenizer, name))
    again = f"free some space, then: python merge.py --adapter {adapter} --model_dir {model_dir}"
    write_model(merged, tokenizer, model_dir, max_shard_size=max_shard_size, when_full=again)


def main() -> None:
    """Parse the command line and merge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", help="base model; default: the one that the adapter names")
    parser.add_argument("--adapter", type=Path, required=True, help="MODEL_DIR/adapter of train.py")
    parser.add_argument("--model_dir", type=Path, required=True, help="where the merged model goes")
    parser.add_argument("--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16")
    options = parser.parse_args()
    try:
        merge(base=options.base, adapter=options.adapter, model_dir=options.model_dir, dtype=options.dtype)
    except UserError as error:
        exit_with(error)


if __name__ == "__main__":
    main()
