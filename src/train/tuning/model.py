"""The base model: which can be trained here, its configuration, its weights (in 4 bits for QLoRA)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuning.errors import UserError, cannot_load

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PretrainedConfig, PreTrainedModel
    from trl import ModelConfig, SFTConfig


# Kinds of layers, in a configuration's layer_types, that look at other tokens through attention alone.
ATTENTION_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


def check_model_folder(model_name_or_path: str | None) -> None:
    """Check, before any weight is read, that a local model folder is complete.

    Raises:
        UserError: when no model is named, or the folder lacks weights, configuration or tokenizer.
    """
    if not model_name_or_path or not isinstance(model_name_or_path, str):  # a number, or a flag without value
        raise UserError(
            found=f"base model {model_name_or_path!r}" if model_name_or_path else "no base model",
            expected="the folder or the hub name of a causal language model",
            next_step="add --model_name_or_path src/sample/base/model",
        )
    folder = Path(model_name_or_path)
    looks_like_path = (
        folder.is_absolute() or model_name_or_path.startswith(".") or model_name_or_path.count("/") > 1
    )
    if not folder.exists() and not looks_like_path:
        return  # a hub name, "organisation/model": the hub knows whether it is complete
    needed = {
        "config.json": "a configuration",
        "tokenizer.json": "a tokenizer",
        "*.safetensors": "weights",
    }
    missing = [f"{what} ({pattern})" for pattern, what in needed.items() if not any(folder.glob(pattern))]
    if missing:
        raise UserError(
            found=f"the model folder {folder} without {', '.join(missing)}",
            expected="config.json, tokenizer.json and safetensors weights in one folder",
            next_step="name another --model_name_or_path, or bring the missing files"
            " (`make base` rebuilds the small model)",
        )


def load_config(
    model_name_or_path: str, *, revision: str | None = None, packing: bool = False
) -> PretrainedConfig:
    """Return a model's configuration, checked to be that of a decoder for text.

    Args:
        model_name_or_path: local folder or hub name.
        revision: on the hub.
        packing: whether rows will be packed.

    Raises:
        UserError: for a model of another kind, or one that cannot be read.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model_name_or_path, revision=revision or "main")
    except (OSError, ValueError) as error:
        raise cannot_load(model_name_or_path, error) from None
    check_architecture(config, packing=packing)
    return config


def check_architecture(config: PretrainedConfig, *, packing: bool = False) -> None:
    """Check that a configuration is that of a decoder for text.

    Raises:
        UserError: for encoder-decoders, models that also see or hear, models without a language head, and
            layers that packing cannot keep apart.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    name, choose = config.model_type, "choose a causal language model, for instance Qwen/Qwen3-8B-Base"
    if config.is_encoder_decoder:
        raise UserError(
            found=f"an encoder-decoder model ({name})",
            expected="a decoder: prompt and answer are one text here",
            next_step=choose,
        )
    if config.get_text_config() is not config:
        parts = [key.removesuffix("_config") for key in config.sub_configs if key != "text_config"]
        raise UserError(
            found=f"a model of text and {', '.join(parts) or 'more'} ({name})",
            expected="a model of text alone: images and sound are not in this data, and their weights would"
            " be loaded, sharded and served for nothing",
            next_step="choose the family's text model (google/gemma-3-1b-pt is one), or another",
        )
    if name not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(
            found=f"a model without a language head ({name})",
            expected="a causal language model that transformers knows",
            next_step=choose,
        )
    others = set(getattr(config, "layer_types", None) or ()) - ATTENTION_LAYERS
    if packing and others:
        raise UserError(
            found=f"packing: true and a model ({name}) with layers of kind {', '.join(sorted(others))}",
            expected="attention alone: other layers carry one packed row's state into the next",
            next_step="remove packing; train_sampling_strategy: group_by_length saves padding without it",
        )


def context_tokens(config: PretrainedConfig) -> int:
    """Return the longest text that the model was built for, in tokens.

    Raises:
        UserError: when the configuration does not say.
    """
    length = getattr(config, "max_position_embeddings", None)
    if not isinstance(length, int):
        raise UserError(
            found=f"a configuration ({config.model_type}) without max_position_embeddings",
            expected="the model's longest text",
            next_step="set max_seq_tokens",
        )
    return length


def check_combination(model: ModelConfig, training: SFTConfig, *, num_processes: int) -> None:
    """Check for combinations that would fail late or lose the adapter.

    Raises:
        UserError: naming the settings.
    """
    import torch

    if not model.use_peft:
        raise UserError(
            found="use_peft: false",
            expected="LoRA: this script saves and merges an adapter",
            next_step="add use_peft: true",
        )
    sharded = training.fsdp and num_processes > 1
    if sharded and any(word in str(training.optim) for word in ("8bit", "paged", "bnb")):
        raise UserError(
            found=f"optim: {training.optim} with fsdp: true",
            expected="an optimizer of torch: bitsandbytes' have no sharding for FSDP2",
            next_step="set optim: adamw_torch_fused",
        )
    whole = "FULL_STATE_DICT"
    if sharded and (form := (training.fsdp_config or {}).get("state_dict_type", whole)) != whole:
        raise UserError(
            found=f"state_dict_type: {form}",
            expected=f"{whole}: one process writes the whole checkpoint, whatever machine the others are on",
            next_step="leave it out: a checkpoint holds the adapter and its optimizer, and none of the base",
        )
    if training.save_on_each_node:
        raise UserError(
            found="save_on_each_node: true",
            expected="false: one process writes the whole checkpoint, and one marker covers all of it",
            next_step="leave it out, and give all machines a shared output_dir, or copy it before a resume",
        )
    if num_processes == 1 and not training.use_cpu and torch.cuda.device_count() > 1:
        raise UserError(
            found=f"one process and {torch.cuda.device_count()} GPUs",
            expected="one process a GPU",
            next_step="start with `torchrun --nproc_per_node N`, or set CUDA_VISIBLE_DEVICES=0",
        )
    check_dtypes(model, training, num_processes=num_processes)


def check_dtypes(model: ModelConfig, training: SFTConfig, *, num_processes: int) -> None:
    """Check that FSDP can flatten and shard what QLoRA stores.

    FSDP shards tensors of one dtype. The 4-bit base is stored inside tensors of `bnb_4bit_quant_storage`
    (uint8 by default, which stays whole on every GPU), everything else has `dtype`.

    Raises:
        UserError: when they differ.
    """
    if not (model.load_in_4bit and training.fsdp and num_processes > 1):
        return
    dtype, storage = model.dtype or "float32", model.bnb_4bit_quant_storage or "uint8"
    if dtype != storage:
        fitting = "float32" if training.use_cpu else "bfloat16"
        raise UserError(
            found=f"dtype: {dtype}, bnb_4bit_quant_storage: {storage}",
            expected="the same floating point dtype for both, or FSDP cannot shard the 4-bit weights",
            next_step=f"set dtype: {fitting} and bnb_4bit_quant_storage: {fitting}",
        )


def load_model(model: ModelConfig, *, on_cpu: bool) -> PreTrainedModel:
    """Return the base model; with `load_in_4bit`, its linear layers in 4 bits."""
    from transformers import AutoModelForCausalLM
    from trl import get_quantization_config

    quantization = get_quantization_config(model)
    options = {"quantization_config": quantization} if quantization else {}
    if quantization and not on_cpu:
        options["device_map"] = {"": int(os.environ.get("LOCAL_RANK", 0))}
    loaded = AutoModelForCausalLM.from_pretrained(
        model.model_name_or_path,
        revision=model.model_revision,
        dtype=model.dtype or "float32",
        attn_implementation=model.attn_implementation,
        **options,
    )
    loaded.config.use_cache = False
    if quantization and on_cpu:
        _keep_weights_packed(loaded)
    return loaded


def require_float32_adapter(model: PeftModel) -> None:
    """Train the adapter in float32 where the base computes in it; its optimizer's moments follow.

    TRL 1.16 casts the adapter of a quantised base to bfloat16 whatever the recipe says. A CPU without
    bfloat16 instructions then multiplies matrices forty times slower than in float32.
    """
    import torch

    if _compute_dtype(model) != torch.float32:
        return
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def precision(model: PeftModel) -> dict[str, str]:
    """Return what a model holds and computes in, by part: the dtypes' names, "nf4" for a 4-bit base."""
    names = {
        "base": {
            parameter.quant_state.quant_type
            for parameter in model.parameters()
            if getattr(parameter, "quant_state", None) is not None
        },
        "compute": {str(_compute_dtype(model))},
        "adapter": {str(parameter.dtype) for parameter in model.parameters() if parameter.requires_grad},
    }
    names["base"] = names["base"] or names["compute"]
    return {part: ", ".join(sorted(found)).replace("torch.", "") for part, found in names.items()}


def _compute_dtype(model: PeftModel) -> torch.dtype:
    return model.get_base_model().get_input_embeddings().weight.dtype


def _keep_weights_packed(model: PreTrainedModel) -> None:
    """Switch off bitsandbytes' repacking of 4-bit weights on CPUs with AVX512-BF16.

    The first evaluation repacks them in place; FSDP then gathers bytes in another order than it scattered,
    and evaluation is silently wrong (a loss of 8.14 where 7.67 is right; bitsandbytes 0.50.2).
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
