"""Which model vLLM's image would serve, and under which names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processes.errors import UserError
from serve.model_options import read_model
from serve.settings import ServeSettings, read_settings


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """What is /opt/ml/model, with a file."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    return tmp_path / "model"


def settings_of(store: Path, **variables: str) -> ServeSettings:
    given = {"SERVE_DIALECT": "vllm", "SERVE_OPT_ML_DIR": str(store.parent), "SM_MODEL_DIR": "/opt/ml/model"}
    return read_settings([], given | variables)


def test_the_variable_counts_before_the_models_files_and_those_before_the_fallback(store: Path) -> None:
    assert settings_of(store, HF_MODEL_ID="/other").model.id == "/opt/ml/model"
    assert settings_of(store, HF_MODEL_ID="/other", SM_VLLM_MODEL="/a/b/").model.id == "/a/b/"
    assert settings_of(store, SM_SGLANG_MODEL_PATH="/opt/ml/model/x").model_dir == store / "x"
    (store / "config.json").unlink()
    assert settings_of(store, HF_MODEL_ID="/other").model.id == "/other"
    assert settings_of(store).model.id == "/opt/ml/model"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("news", ("news",)),
        ('["news", "뉴스"]', ("news", "뉴스")),
        ("two words", ("two words",)),
        ("[not json", ("[not json",)),
        ("[]", ("/opt/ml/model",)),
    ],
)
def test_served_names_are_read_as_the_entrypoint_reads_them(store: Path, text: str, names: tuple) -> None:
    model = settings_of(store, SM_VLLM_SERVED_MODEL_NAME=text).model
    assert (model.names, model.known_names) == (names, set(names))


def test_sglangs_name_of_the_model_is_one(store: Path) -> None:
    assert settings_of(store, SM_SGLANG_SERVED_MODEL_NAME="news").model.names == ("news",)


@pytest.mark.parametrize("name", ["model.py", "requirements.txt"])
def test_code_beside_the_model_is_refused_by_name(store: Path, name: str) -> None:
    (store / name).touch()
    with pytest.raises(UserError, match=f"{name} beside the model, which vLLM's image"):
        settings_of(store)


def model_of(folder: Path, **variables: str):
    return read_model(read_settings(["--dialect", "vllm", "--model", str(folder)], variables))


def test_defaults_of_sampling_come_from_where_the_variable_says(chat_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text(json.dumps({"temperature": 0.25, "eos_token_id": 1}))
    own = model_of(chat_dir).generation
    assert own["eos_token_id"] is not None
    assert model_of(chat_dir, SM_VLLM_GENERATION_CONFIG="auto").generation == own
    assert model_of(chat_dir, SM_VLLM_GENERATION_CONFIG="vllm").generation == {}
    other = model_of(chat_dir, SM_VLLM_GENERATION_CONFIG=str(tmp_path))
    assert (other.generation["temperature"], other.codec.eos_ids) == (0.25, {1})
    over = model_of(chat_dir, SM_VLLM_OVERRIDE_GENERATION_CONFIG='{"temperature": 0.5}').generation
    assert over == own | {"temperature": 0.5}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SM_VLLM_GENERATION_CONFIG", "/no/such/folder"),
        ("SM_VLLM_OVERRIDE_GENERATION_CONFIG", "0.5"),
        ("SM_VLLM_OVERRIDE_GENERATION_CONFIG", "{"),
        ("SM_VLLM_CHAT_TEMPLATE", "/no/such/file.jinja"),
    ],
)
def test_options_that_cannot_be_read_are_refused(chat_dir: Path, name: str, text: str) -> None:
    with pytest.raises(UserError, match=name.removeprefix("SM_VLLM_").lower()):
        model_of(chat_dir, **{name: text})


def test_a_chat_template_is_a_file_or_a_text(chat_dir: Path, tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "뉴스"}]
    literal = "{{ bos_token }}질문: {{ messages[0].content }}\\n답:"
    file = tmp_path / "own.jinja"
    file.write_text("파일 {{ messages[0].content }}", encoding="utf-8")
    rendered = model_of(chat_dir, SM_VLLM_CHAT_TEMPLATE=literal).chat_template.render(messages)
    assert rendered.endswith("질문: 뉴스\n답:")
    assert model_of(chat_dir, SM_VLLM_CHAT_TEMPLATE=str(file)).chat_template.render(messages) == "파일 뉴스"
