"""The container's variables and the flags of the same meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from processes.errors import UserError
from serve.settings import read_settings, token_limits


def test_without_anything_it_is_sagemakers_container() -> None:
    settings = read_settings(["serve"], environ={})
    assert (settings.model_dir, settings.host, settings.port) == (Path("/opt/ml/model"), "0.0.0.0", 8080)
    assert settings.max_concurrent_requests == 128
    assert settings.dtype == "float32"


def test_variables_are_read_and_flags_win_over_them() -> None:
    environ = {
        "HF_MODEL_ID": "/a",
        "SM_MODEL_DIR": "/b",
        "PORT": "0",
        "MAX_INPUT_TOKENS": "100",
        "MAX_TOTAL_TOKENS": "200",
        "MAX_CONCURRENT_REQUESTS": "3",
        "MAX_BATCH_PREFILL_TOKENS": "100",
        "SM_NUM_GPUS": "4",
    }
    settings = read_settings([], environ)
    assert (settings.model_dir, settings.port) == (Path("/a"), 0)
    assert token_limits(settings, 2048) == (100, 200)
    assert settings.max_concurrent_requests == 3
    flagged = read_settings(["--model", "/c", "--max-input-tokens", "50"], environ)
    assert flagged.model_dir == Path("/c")
    assert token_limits(flagged, 2048) == (50, 200)


def test_the_old_name_of_the_input_limit_and_an_empty_variable_are_understood() -> None:
    environ = {"MAX_INPUT_LENGTH": "10", "MAX_TOTAL_TOKENS": "", "HF_MODEL_ID": "", "SM_MODEL_DIR": "/b"}
    settings = read_settings([], environ)
    assert settings.model_dir == Path("/b")
    assert token_limits(settings, 64) == (10, 64)


LIMITS = {"tgi": "MAX_TOTAL_TOKENS", "lmi": "OPTION_MAX_MODEL_LEN", "vllm": "SM_VLLM_MAX_MODEL_LEN"}


@pytest.mark.parametrize("dialect", LIMITS)
def test_a_dialect_reads_its_images_variables_and_says_which_it_ignores(
    dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {name: str(100 + place) for place, name in enumerate(LIMITS.values())}
    settings = read_settings([], environ | {"SERVE_DIALECT": dialect, "HF_MODEL_ID": "/m"})
    assert (settings.dialect, settings.max_total_tokens) == (dialect, int(environ[LIMITS[dialect]]))
    ignored = [record.message for record in caplog.records if "is ignored" in record.message]
    assert len(ignored) == 2
    assert not any(LIMITS[dialect] in line for line in ignored)


def test_the_models_context_is_the_default_limit() -> None:
    assert token_limits(read_settings([], {}), 2048) == (2047, 2048)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("MAX_INPUT_TOKENS", "lots", "a whole number, 1 or more"),
        ("MAX_TOTAL_TOKENS", "1.5", "a whole number, 1 or more"),
        ("MAX_CONCURRENT_REQUESTS", "0", "a whole number, 1 or more"),
        ("MAX_TOTAL_TOKENS", "-1", "a whole number, 1 or more"),
        ("MAX_TOTAL_TOKENS", "１２", "a whole number, 1 or more"),
        ("MAX_TOTAL_TOKENS", "9" * 5000, "a whole number, 1 or more"),
        ("PORT", "70000", "0 to 65535"),
        ("DTYPE", "int4", "one of float32, bfloat16"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_is_expected(name: str, text: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        read_settings([], {name: text})
    found, wanted, step = str(caught.value).splitlines()
    assert found.startswith(f"found     {name} = ")
    assert expected in wanted
    assert step == f"do next   correct {name}"


def test_a_wrong_flag_is_named_by_its_flag() -> None:
    with pytest.raises(UserError, match="--max-total-tokens = 'x'"):
        read_settings(["--max-total-tokens", "x"], {"MAX_TOTAL_TOKENS": "5"})


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"MAX_TOTAL_TOKENS": "4096"}, "MAX_TOTAL_TOKENS = 4096"),
        ({"MAX_INPUT_TOKENS": "2048"}, "MAX_INPUT_TOKENS = 2048"),
        ({"MAX_INPUT_TOKENS": "64", "MAX_TOTAL_TOKENS": "64"}, "MAX_INPUT_TOKENS = 64"),
        ({"MAX_TOTAL_TOKENS": "1"}, "MAX_INPUT_TOKENS = 0"),
    ],
)
def test_limits_that_leave_no_room_or_exceed_the_model_are_refused(environ: dict, found: str) -> None:
    with pytest.raises(UserError, match=found):
        token_limits(read_settings([], environ), 2048)


@pytest.mark.parametrize("dialect", LIMITS)
def test_a_limit_beyond_the_model_is_named_by_the_variable_of_the_image(dialect: str) -> None:
    name = LIMITS[dialect]
    settings = read_settings(["--dialect", dialect, "--model", "/m"], {name: "4096"})
    with pytest.raises(UserError) as caught:
        token_limits(settings, 2048)
    assert caught.value.found == f"{name} = 4096"
    assert caught.value.next_step.startswith(f"set {name} to 2048")


def test_a_prefill_limit_below_the_longest_prompt_is_refused() -> None:
    with pytest.raises(UserError, match="MAX_BATCH_PREFILL_TOKENS"):
        read_settings([], {"MAX_BATCH_PREFILL_TOKENS": "10", "MAX_INPUT_TOKENS": "11"})


def test_the_share_that_int8_has_to_choose_is_a_percentage() -> None:
    name = "SERVE_MIN_INT8_AGREEMENT_PERCENT"
    assert read_settings([], {}).min_int8_agreement_percent == 90
    assert read_settings([], {name: "50"}).min_int8_agreement_percent == 50
    for wrong in ("0", "101", "0.9"):
        with pytest.raises(UserError, match=f"{name} = '{wrong}'"):
            read_settings([], {name: wrong})


@pytest.mark.parametrize(("word", "dtype"), [("fp16", "float16"), ("bf16", "bfloat16"), ("half", "float16")])
def test_lmis_and_vllms_words_for_a_dtype_are_understood(word: str, dtype: str) -> None:
    assert read_settings(["--dialect", "lmi", "--model", "/m"], {"OPTION_DTYPE": word}).dtype == dtype
    assert read_settings(["--dialect", "vllm"], {"SM_VLLM_DTYPE": word}).dtype == dtype


def test_adapters_may_be_loaded_at_run_time_where_a_variable_says_so() -> None:
    lmi = ["--dialect", "lmi", "--model", "/m"]
    assert not read_settings(lmi, {}).runtime_adapters
    assert read_settings(lmi, {"OPTION_ENABLE_LORA": "true"}).runtime_adapters
    with pytest.raises(UserError, match="OPTION_ENABLE_LORA = 'maybe'"):
        read_settings(lmi, {"OPTION_ENABLE_LORA": "maybe"})
