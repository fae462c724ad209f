"""Which models can be trained here: text in, text out, from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuning.errors import UserError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

# Kinds of layers, in a configuration's layer_types, that look at other tokens through attention alone.
ATTENTION_LAYERS = {"full_attention", "sliding_attention", "chunked_attention"}


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


def cannot_load(model_name_or_path: str, error: Exception) -> UserError:
    """Return the error for a model that cannot be read."""
    return UserError(
        found=f"{model_name_or_path} cannot be loaded: {str(error).strip().splitlines()[0]}",
        expected="a local folder, or a model on the Hugging Face hub that this account may read",
        next_step="correct the name, or accept the model's licence and run `hf auth login`",
    )
