"""What is secret is known by its name or its form, and hidden wherever it stands."""

from __future__ import annotations

import pytest

from processes.secret_values import hider, is_secret, without_secrets

KEY_ID = "AK" + "IA" + "B" * 16
HUB = "hf" + "_" + "a" * 34


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "a"),
        ("AWS_SECRET_ACCESS_KEY", "a"),
        ("my_api_key", "1"),
        ("DB_PASSWORD", "1234"),
        ("API_TOKENS", "abc,def"),
        ("PIP_INDEX_URL", "https://me:pass@host/simple"),
        ("NOTE", f"the token is {HUB}"),
        ("WHO", KEY_ID),
    ],
)
def test_a_secret_is_known_by_name_or_form_and_not_handed_on(name: str, value: str) -> None:
    assert is_secret(name, value)
    assert without_secrets({name: value, "LANG": "C.UTF-8"}) == {"LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOTAL_TOKENS", "2048"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("OMP_NUM_THREADS", "1"),
        ("PIP_INDEX_URL", "https://host/simple/@scope"),
        ("HF_HOME", "~/hf_models_of_mine"),
    ],
)
def test_what_only_looks_like_one_is_none(name: str, value: str) -> None:
    assert not is_secret(name, value)
    assert hider({name: value})(f"{name}={value}") == f"{name}={value}"


def test_the_longest_of_two_secrets_is_hidden_whole() -> None:
    hide = hider({"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefghijkl", "C_KEY": "short"})
    assert hide("abcdefghijkl abcdefgh short") == "*** *** short"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"401 for {HUB} of you", "401 for *** of you"),
        (f"key {KEY_ID} is not in our records", "key *** is not in our records"),
        (f"origin https://{HUB}@github.com/me/it.git", "origin https://***@github.com/me/it.git"),
        ("Looking in https://me:it's@host/simple", "Looking in https://***@host/simple"),
        (
            f"GET /a?X-Amz-Date=1&X-Amz-Signature={'0a' * 32}&b=1",
            "GET /a?X-Amz-Date=1&X-Amz-Signature=***&b=1",
        ),
        (f"api_key='sagemaker-api-key-{'aB3+' * 20}='", "api_key='sagemaker-api-key-***'"),
        ('progress {"loss": 1.5}', 'progress {"loss": 1.5}'),
    ],
)
def test_what_has_the_form_of_a_secret_is_hidden_in_any_text(text: str, shown: str) -> None:
    assert hider({})(text) == shown
