"""What an engine cannot read is said before it is deployed: families, and files that transformers 5 wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.serve.server_process import BASE
from tests.train.test_artifact import TGI_LIBRARIES
from tests.train.tiny_models import FAMILIES, tiny_config

from tuning.artifact import make_readable_by_tgi
from workshop.serving.deployment_check import check_deployment
from workshop.serving.family_rules import TGI_FAMILIES, TRANSFORMERS_FAMILIES
from workshop.serving.model_facts import ModelFacts

WAYS_OUT = "serve it with vLLM or LMI: serving_engine in workshop.yaml"


def found(engine: str, facts: ModelFacts, environment: dict | None = None, **given) -> str:
    problems = check_deployment(engine, environment or {}, facts, instance_type="ml.g6.12xlarge", **given)
    return "\n".join(f"{one.found} | {one.expected} | {one.next_step}" for one in problems)


def facts_of(family: str, **changes) -> ModelFacts:
    """Return what config.json of a family says, with heads that four GPUs can share."""
    config = tiny_config(family, num_attention_heads=4, num_key_value_heads=4).to_dict()
    return ModelFacts(config=config | changes)


class Tokenizer:
    chat_template = None


def written(facts: ModelFacts, folder: Path) -> ModelFacts:
    """Return the facts of a folder that has the older names too."""
    import json

    (folder / "config.json").write_text(json.dumps(dict(facts.config)))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "TokenizersBackend"}')
    make_readable_by_tgi(folder, Tokenizer())
    return ModelFacts.of_folder(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_that_tgi_does_not_have_is_named_with_the_way_out(family: str, tmp_path: Path) -> None:
    facts = written(facts_of(family), tmp_path)
    told = found("tgi", facts)
    if family == "exaone4":
        assert told.startswith("model_type exaone4 in config.json | a family that TGI 3.3.6 serves: ")
        assert told.endswith(WAYS_OUT)
    else:
        assert told == ""
    assert found("vllm", facts) == found("lmi", facts) == ""


def test_what_tgi_runs_through_transformers_takes_few_quantizations_and_no_adapter(tmp_path: Path) -> None:
    facts = written(facts_of("qwen3"), tmp_path)
    assert found("tgi", facts, {"HF_MODEL_QUANTIZE": "bitsandbytes"}) == ""
    told = found("tgi", facts, {"HF_MODEL_QUANTIZE": "fp8"})
    assert told.startswith("HF_MODEL_QUANTIZE = fp8 with model_type qwen3 in config.json | one of none, ")
    assert WAYS_OUT in told
    adapter = found("tgi", facts, {"LORA_ADAPTERS": "mine=/opt/ml/model/adapter"})
    assert adapter.startswith("a LoRA adapter on model_type qwen3 in config.json | the merged model")
    assert found("tgi", facts, serves_adapter=True) == adapter
    (tmp_path / "llama").mkdir()
    llama = written(facts_of("llama"), tmp_path / "llama")
    assert found("tgi", llama, {"HF_MODEL_QUANTIZE": "fp8", "LORA_ADAPTERS": "mine=/x"}) == ""


def test_what_transformers_5_wrote_is_named_for_tgi() -> None:
    base = ModelFacts.of_folder(BASE)
    told = found("tgi", base)
    assert "TokenizersBackend" in told
    assert "rope_theta = 100 only inside rope_parameters in config.json | rope_theta at the top" in told
    assert "transformers 4.51, which TGI 3.3.6 has" in told
    assert found("vllm", base) == ""
    listed = ModelFacts(config=facts_of("qwen3", rope_parameters={}).config,
                        tokenizer_config={"extra_special_tokens": ["<a>"]})  # fmt: skip
    assert "additional_special_tokens" in found("tgi", listed)


def test_each_kind_of_a_familys_attention_is_compared() -> None:
    told = found("tgi", facts_of("gemma3")).splitlines()
    assert [line.split(" | ")[0] for line in told] == [
        "rope_theta = 3000 only inside rope_parameters in config.json",
        "rope_theta = 500 only inside rope_parameters in config.json",
        "layer_types that a sliding_window_pattern of 6 does not give in config.json",
    ]
    assert "rope_local_base_freq at the top" in told[1]
    uneven = facts_of("gemma3", layer_types=["full_attention", "sliding_attention"], rope_parameters={},
                      sliding_window_pattern=1)  # fmt: skip
    assert "a sliding_window_pattern of 1 does not give" in found("tgi", uneven)


def test_the_families_are_those_of_the_transformers_that_tgi_has() -> None:
    """Read from its sources: importing them takes 10 s."""
    models = TGI_LIBRARIES / "transformers" / "models"
    assert models.is_dir(), f"{TGI_LIBRARIES} is missing: run `make test`, which installs it"
    auto = (models / "auto" / "modeling_auto.py").read_text(encoding="utf-8")
    causal = re.search(r"\nMODEL_FOR_CAUSAL_LM_MAPPING_NAMES = OrderedDict\((.*?)\n\)", auto, re.S)[1]
    classes = dict(re.findall(r'\("([\w-]+)", "(\w+)"\)', causal))
    compatible = set()
    for path in models.glob("*/modeling_*.py"):
        text = path.read_text(encoding="utf-8")
        if "_supports_attention_backend = True" in text:
            compatible |= {name for name, its in classes.items() if f"\nclass {its}(" in text}
    assert len(classes) > 100
    assert set(TRANSFORMERS_FAMILIES) == compatible - set(TGI_FAMILIES)
    assert not set(TGI_FAMILIES) & set(TRANSFORMERS_FAMILIES)
