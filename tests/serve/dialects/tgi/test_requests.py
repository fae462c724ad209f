"""Fields of TGI's body have TGI's types."""

from __future__ import annotations

from typing import Any

import pytest

from serve.dialects.tgi.requests import parse_tgi
from serve.errors import RequestError


def with_parameters(**parameters: Any) -> dict[str, Any]:
    return {"inputs": "안녕", "parameters": parameters}


def test_unknown_parameters_are_ignored_as_in_tgi_but_logged(caplog: pytest.LogCaptureFixture) -> None:
    parse_tgi(with_parameters(stop_sequence=["x"], max_new_token=3))
    assert "'stop_sequence'" in caplog.text
    assert "did you mean 'max_new_tokens'" in caplog.text


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ([], "invalid type: sequence, expected struct GenerateRequest"),
        ("text", 'invalid type: str "text"'),
        ({}, "missing field `inputs`"),
        ({"inputs": 1}, "inputs: invalid type: int 1, expected string"),
        ({"inputs": None}, "inputs: invalid type: null"),
        ({"inputs": ["a"]}, "inputs: invalid type: sequence"),
        ({"inputs": "a", "parameters": None}, "parameters: invalid type: null"),
        ({"inputs": "a", "parameters": []}, "parameters: invalid type: sequence"),
        ({"inputs": "a", "stream": 1}, "stream: invalid type: int 1, expected bool"),
        (with_parameters(temperature="0.5"), 'parameters.temperature: invalid type: str "0.5", expected f32'),
        (with_parameters(temperature=True), "parameters.temperature: invalid type: bool true"),
        (with_parameters(temperature=1e300), "parameters.temperature"),
        (with_parameters(temperature=10**400), "parameters.temperature"),
        (with_parameters(top_k=1.0), "parameters.top_k: invalid type: float 1.0, expected i32"),
        (with_parameters(max_new_tokens=-1), "parameters.max_new_tokens: invalid type: int -1"),
        (with_parameters(max_new_tokens=2**32), "parameters.max_new_tokens"),
        (with_parameters(seed=2**64), "parameters.seed"),
        (with_parameters(seed=-1), "parameters.seed"),
        (with_parameters(stop="가"), 'parameters.stop: invalid type: str "가", expected a sequence'),
        (with_parameters(stop=[1]), "parameters.stop: invalid type: sequence"),
        (with_parameters(stop=None), "parameters.stop: invalid type: null"),
        (with_parameters(do_sample=None), "parameters.do_sample: invalid type: null, expected bool"),
        (with_parameters(details="yes"), "parameters.details: invalid type"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(body: Any, place: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_tgi(body)
    assert caught.value.status == 422
    assert place in caught.value.body["error"]
