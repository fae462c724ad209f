"""What becomes of every variable of every image; the page that says so."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from processes.errors import UserError
from serve import variables_page
from serve.dialects.registry import DIALECTS
from serve.settings import OPTIONS, OWN, ServeSettings, read_settings
from serve.variables import Variable

ROWS = [(name, row) for name, dialect in DIALECTS.items() for row in dialect.table]
ROWS += [("tgi", row) for row in OWN]
# Setting -> a value that is not its default, and what else it needs.
VALUES = {
    "model": "/other",
    "engine": "ctranslate2",
    "dialect": "lmi",
    "dtype": "bfloat16",
    "host": "127.0.0.1",
    "quantize": "int8",
    "adapters": "news=/a",
    "runtime_adapters": "true",
    "cache_dir": "/cache",
    "max_batch_prefill_tokens": "9",
    "rolling_batch": "vllm",
    "async_mode": "true",
    "tgi_compat": "true",
    "output_formatter": "sse",
    "served_model_name": "news",
    "generation_config": "vllm",
    "override_generation_config": '{"temperature": 0}',
    "chat_template": "{{ messages }}",
    "download_dir": "/downloads",
    "auto_truncate": "true",
    "default_prompt": "query: ",
}
# A dialect -> variables that its image reads, where that is few.
FEWEST = {"tei": 30}
NEEDED = {"quantize": {"SERVE_ENGINE": "ctranslate2"}, "adapters": {"SM_VLLM_ENABLE_LORA": "true"}}
# Checked, or read by others than the settings: tests of their own show the effect.
READ_ELSEWHERE = {"max_batch_prefill_tokens", "load_models", "paths", "threads", "download", "port"}


def ids(rows: list[tuple[str, Variable]]) -> list[str]:
    return [f"{dialect}-{row.name}" for dialect, row in rows]


def with_outcome(outcome: str) -> list[tuple[str, Variable]]:
    return [(dialect, row) for dialect, row in ROWS if row.outcome == outcome]


def settings_of(dialect: str, **variables: str) -> ServeSettings:
    model = {"vllm": "SM_VLLM_MODEL"}.get(dialect, "HF_MODEL_ID")
    return read_settings(["--port", "1"], {"SERVE_DIALECT": dialect, model: "/m", **variables})


def plain(settings: ServeSettings) -> dict:
    return {name: value for name, value in asdict(settings).items() if name != "paths"}


def test_a_variable_has_one_row_in_its_dialect() -> None:
    for dialect in DIALECTS.values():
        counts = Counter(row.name for row in (*dialect.table, *OWN))
        assert [name for name, count in counts.items() if count > 1] == []
        assert len(dialect.table) > FEWEST.get(dialect.name, 90)
    assert all(row.says for _, row in ROWS)


def test_the_page_is_what_the_code_says() -> None:
    assert variables_page.PAGE.read_text(encoding="utf-8") == variables_page.page(), (
        "run: python -m serve.docs"
    )
    assert all(f"`{row.name}`" in variables_page.page() for _, row in ROWS)


@pytest.mark.parametrize(("dialect", "row"), with_outcome("refused"), ids=ids(with_outcome("refused")))
def test_a_refused_variable_is_named_and_its_harmless_values_are_accepted(
    dialect: str, row: Variable
) -> None:
    with pytest.raises(UserError) as caught:
        settings_of(dialect, **{row.name: "7.5"})
    assert caught.value.found.startswith(f"{row.name} = ")
    assert row.says in caught.value.expected
    assert row.name in caught.value.next_step
    for value in row.harmless:
        settings_of(dialect, **{row.name: value})


@pytest.mark.parametrize(("dialect", "row"), with_outcome("without"), ids=ids(with_outcome("without")))
def test_a_variable_without_a_counterpart_changes_nothing_and_stands_in_the_log(
    dialect: str, row: Variable, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert plain(settings_of(dialect, **{row.name: "1"})) == plain(settings_of(dialect))
    assert any(
        record.message.startswith(f"{row.name} = ") and row.says in record.message
        for record in caplog.records
    )


DONE = [(dialect, row) for dialect, row in with_outcome("done") if row.setting not in READ_ELSEWHERE]


@pytest.mark.parametrize(("dialect", "row"), DONE, ids=ids(DONE))
def test_a_variable_that_is_done_is_read(dialect: str, row: Variable) -> None:
    needed = NEEDED.get(row.setting, {})
    given = {**needed, row.name: VALUES.get(row.setting, "9")}
    if row.setting == "model":
        given |= {"HF_MODEL_ID": "", "SM_VLLM_MODEL": "", row.name: "/other"}
    changed, before = settings_of(dialect, **given), settings_of(dialect, **needed)
    assert plain(changed) != plain(before)
    if row.setting in OPTIONS:
        assert changed.options[row.setting] == given[row.name]


def test_an_unknown_argument_of_vllms_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(UserError, match="SM_VLLM_MAX_MODEL_LENGTH") as caught:
        settings_of("vllm", SM_VLLM_MAX_MODEL_LENGTH="100")
    assert caught.value.next_step == "correct SM_VLLM_MAX_MODEL_LENGTH: SM_VLLM_MAX_MODEL_LEN?"
    with pytest.raises(UserError, match="SM_SGLANG_SPECULATIVE_ALGORITHM"):
        settings_of("vllm", SM_SGLANG_SPECULATIVE_ALGORITHM="EAGLE")


@pytest.mark.parametrize(
    ("dialect", "name", "told"),
    [
        (
            "lmi",
            "OPTION_MAX_MODEL_LENGTH",
            "is ignored: neither LMI nor vLLM knows it, and the image ignores it",
        ),
        ("lmi", "OPTION_MAX_MODEL_LENGTH", "did you mean OPTION_MAX_MODEL_LEN?"),
        ("lmi", "SERVING_JOBS", "is ignored: DJL Serving does not know it"),
        ("lmi", "SM_VLLM_MAX_MODEL_LEN", "is ignored: vLLM's image reads it, and LMI's does not"),
        ("vllm", "OPTION_MAX_MODEL_LEN", "is ignored: LMI's image reads it"),
        ("vllm", "MAX_TOTAL_TOKENS", "is ignored: another image reads it"),
        ("vllm", "VLLM_ATTENTION_BACKEND", "has no counterpart here"),
        ("tgi", "MAX_INPUT_TOKEN", "is read by nobody; did you mean MAX_INPUT_TOKENS?"),
        ("tgi", "OPTION_DTYPE", "is ignored: LMI's image reads it"),
    ],
)
def test_what_is_ignored_is_said_with_the_reason(
    dialect: str, name: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert plain(settings_of(dialect, **{name: "7"})) == plain(settings_of(dialect))
    assert any(
        record.message.startswith(f"{name} = ") and told in record.message for record in caplog.records
    )


def test_no_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        settings_of("tgi", HF_TOKEN="geheim")
        with pytest.raises(UserError, match=r"SM_VLLM_API_KEY = \*\*\*"):
            settings_of("vllm", SM_VLLM_API_KEY="geheim")
    assert "HF_TOKEN = ***" in caplog.text
    assert "geheim" not in caplog.text


def test_both_names_of_tgis_longest_prompt_are_refused_as_by_its_launcher() -> None:
    with pytest.raises(UserError, match="MAX_INPUT_TOKENS and MAX_INPUT_LENGTH"):
        settings_of("tgi", MAX_INPUT_TOKENS="5", MAX_INPUT_LENGTH="5")


def test_tgi_in_a_container_of_sagemaker_wants_its_model_named() -> None:
    container = {"SAGEMAKER_BIND_TO_PORT": "8080", "SM_MODEL_DIR": "/opt/ml/model"}
    with pytest.raises(UserError, match="no HF_MODEL_ID"):
        read_settings([], container)
    assert read_settings([], container | {"HF_MODEL_ID": "/opt/ml/model"}).model_dir == Path("/opt/ml/model")
    assert read_settings(["--model", "/a"], container).model_dir == Path("/a")


def test_vllms_switches_are_also_read_in_the_negative() -> None:
    assert settings_of("vllm", SM_VLLM_NO_ENABLE_PREFIX_CACHING="true")
    with pytest.raises(UserError, match="SM_VLLM_NO_SUCH_THING"):
        settings_of("vllm", SM_VLLM_NO_SUCH_THING="true")
    with pytest.raises(UserError, match="SM_VLLM_LORA_MODULES without SM_VLLM_ENABLE_LORA"):
        settings_of("vllm", SM_VLLM_LORA_MODULES="a=/a", SM_VLLM_NO_ENABLE_LORA="true")


@pytest.mark.parametrize(
    "text",
    [
        "a=/x b=/y",
        '{"name": "a", "path": "/x"} {"name": "b", "path": "/y"}',
        '[{"name": "a", "path": "/x"}, {"name": "b", "path": "/y", "base_model_name": "m"}]',
    ],
)
def test_adapters_of_vllm_are_pairs_or_json(text: str) -> None:
    settings = settings_of("vllm", SM_VLLM_LORA_MODULES=text, SM_VLLM_ENABLE_LORA="true")
    assert settings.adapters == {"a": Path("/x"), "b": Path("/y")}


@pytest.mark.parametrize(
    "text", ['{"name": "a"}', '{"name": "a", "path":}', '["a"]', '[{"name": "", "path": "/"}]']
)
def test_adapters_in_wrong_json_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="SM_VLLM_LORA_MODULES = "):
        settings_of("vllm", SM_VLLM_LORA_MODULES=text, SM_VLLM_ENABLE_LORA="true")


def test_the_name_that_docker_gives_a_container_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for dialect in ("tgi", "vllm", "lmi"):
        settings_of(dialect, HOSTNAME=socket.gethostname())
    assert "HOSTNAME" not in caplog.text
    settings_of("tgi", HOSTNAME="0.0.0.0")
    assert "HOSTNAME = '0.0.0.0' has no counterpart here" in caplog.text
