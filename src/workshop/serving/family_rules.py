"""The checks of what an engine can read: families of models, and files as an older transformers wants them.

TGI's last images have transformers 4.51. A family that is newer is refused when the container starts; names
that transformers 5 gave to old settings are passed over silently, and the model answers nonsense.
"""

from __future__ import annotations

from workshop.serving.deployment_rules import Deployment, Problem
from workshop.serving.engines import NO_QUANTIZATION, ServingEngine

# Values of model_type that TGI 3.3.6 and 3.3.7 have code of their own for; models of text alone.
# Source: server/text_generation_server/models/__init__.py, ModelType and get_model.
TGI_FAMILIES = (
    *("baichuan", "bloom", "cohere", "dbrx", "deepseek_v2", "deepseek_v3", "falcon", "gemma", "gemma2"),
    *("gemma3_text", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "granite", "llama", "mamba", "mistral"),
    *("mixtral", "mpt", "opt", "phi", "phi3", "phimoe", "qwen2", "starcoder2"),
)
# Those that it runs through transformers, on any number of GPUs (`is_backend_compatible` there). Others of
# transformers 4.51 get its slow path, on one GPU and without continuous batching: not served here.
TRANSFORMERS_FAMILIES = (
    *("code_llama", "cohere2", "gemma3", "glm", "helium", "llama4", "llama4_text", "olmo", "olmo2"),
    *("phi4_multimodal", "qwen3", "qwen3_moe"),
)
# What can be asked of those: server/text_generation_server/models/transformers_flash_causal_lm.py passes on
# "bitsandbytes" alone, takes "fp8" and does nothing, and get_model refuses the rest.
TRANSFORMERS_QUANTIZATIONS = (NO_QUANTIZATION, "bitsandbytes")
SLIDING_WINDOW_PATTERN = {"gemma3_text": 6, "cohere2": 4}
"""One layer in so many sees all of the text where config.json has no sliding_window_pattern; layer_types is
of later versions. Source: their configurations in transformers 4.51 and TGI."""

_ANOTHER_ENGINE = "serve it with vLLM or LMI: serving_engine in workshop.yaml"


def family(given: Deployment) -> list[Problem]:
    """Find a family that the engine does not serve, or not in that way."""
    name = given.facts.config.get("model_type")
    if unserved := unserved_family(given.names, name):
        return [unserved]
    if given.names.reads_transformers_5 or name not in TRANSFORMERS_FAMILIES:
        return []
    what, problems = f"model_type {name} in config.json", []
    quantization = given.environment.get(given.names.quantize, NO_QUANTIZATION)
    if quantization not in TRANSFORMERS_QUANTIZATIONS:
        problems.append(
            Problem(
                found=f"{given.names.quantize} = {quantization} with {what}",
                expected=f"one of {', '.join(TRANSFORMERS_QUANTIZATIONS)}: {_title(given.names)} runs this "
                "family through transformers",
                next_step=f"change serving_quantization, or {_ANOTHER_ENGINE}",
            )
        )
    if given.serves_adapter or any(variable in given.environment for variable in given.names.lora):
        problems.append(
            Problem(
                found=f"a LoRA adapter on {what}",
                expected=f"the merged model: {_title(given.names)} runs this family through transformers, "
                "without adapters",
                next_step=f"serve the merged model, or {_ANOTHER_ENGINE}",
            )
        )
    return problems


def unserved_family(engine: ServingEngine, family: str | None) -> Problem | None:
    """Return what is wrong when an engine does not serve a family at all.

    Args:
        engine: One of ENGINES.
        family: The model's model_type; None when it names none.
    """
    known = (None, *TGI_FAMILIES, *TRANSFORMERS_FAMILIES)
    if engine.reads_transformers_5 or family in known:
        return None
    return Problem(
        found=f"model_type {family} in config.json",
        expected=f"a family that {_title(engine)} serves: {', '.join(TGI_FAMILIES)}; "
        f"through transformers {', '.join(TRANSFORMERS_FAMILIES)}",
        next_step=_ANOTHER_ENGINE,
    )


def written_by_transformers_5(given: Deployment) -> list[Problem]:
    """Find what transformers 4.51 does not read, or silently reads wrong.

    Source: transformers 5 migration guide; tried with both versions.
    """
    if given.names.reads_transformers_5:
        return []
    next_step = "write the model again with src/train/merge.py, which adds the older names"
    server = f"transformers 4.51, which {_title(given.names)} has"
    return [
        Problem(found=found, expected=expected.format(server=server), next_step=next_step)
        for found, expected in (*_tokenizer(given), *_rope(given), *_windows(given))
    ]


def _title(engine: ServingEngine) -> str:
    return f"{engine.title} {engine.version}"


def _tokenizer(given: Deployment) -> list[tuple[str, str]]:
    tokenizer, problems = given.facts.tokenizer_config, []
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        problems.append(
            (
                "tokenizer_class = TokenizersBackend in tokenizer_config.json",
                "PreTrainedTokenizerFast for {server}; it refuses the other",
            )
        )
    if isinstance(tokenizer.get("extra_special_tokens"), list):
        problems.append(
            (
                "a list under extra_special_tokens in tokenizer_config.json",
                "additional_special_tokens for {server}",
            )
        )
    return problems


def _rope(given: Deployment) -> list[tuple[str, str]]:
    config = given.facts.config
    kinds = config.get("rope_parameters") or {}
    thetas = {"rope_theta": kinds.get("full_attention", kinds).get("rope_theta")}
    if "sliding_attention" in kinds:  # Gemma 3
        thetas["rope_local_base_freq"] = kinds["sliding_attention"].get("rope_theta")
    return [
        (
            f"rope_theta = {theta:g} only inside rope_parameters in config.json",
            f"{name} at the top as well for {{server}}; it silently takes its family's default",
        )
        for name, theta in thetas.items()
        if theta is not None and config.get(name) != theta
    ]


def _windows(given: Deployment) -> list[tuple[str, str]]:
    config = given.facts.config
    default = SLIDING_WINDOW_PATTERN.get(config.get("model_type"))
    kinds = config.get("layer_types")
    if default is None or not kinds:
        return []
    pattern = config.get("sliding_window_pattern") or default
    if [kind == "sliding_attention" for kind in kinds] == [
        bool((layer + 1) % pattern) for layer in range(len(kinds))
    ]:
        return []
    return [
        (
            f"layer_types that a sliding_window_pattern of {pattern} does not give in config.json",
            "the same layers by both for {server}; it silently takes the pattern",
        )
    ]
