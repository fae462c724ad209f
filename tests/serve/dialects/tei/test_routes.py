"""TEI's routes, asked by the clients that people have for it."""

from __future__ import annotations

import base64

import numpy as np
import openai
import pytest
import requests
from huggingface_hub import InferenceClient
from tests.serve.requests_to_server import post
from tests.serve.server_process import ServerProcess

from serve.dialects.tei.dialect import MODEL_ID

TEXTS = ["query: 새 공장은 어디에 짓나?", "passage: 한빛전자는 나주에 새 공장을 짓는다.", "prefix가 없는 글"]
LONG = "passage: " + "정부는 12일 새 대책을 발표했다. " * 80


def vectors(server: ServerProcess, inputs: str | list[str], **fields: object) -> np.ndarray:
    answer = post(server, "/embed", {"inputs": inputs, **fields})
    assert answer.status_code == 200, answer.text
    return np.array(answer.json(), dtype=np.float32)


def test_every_route_and_client_gives_the_same_vectors_of_length_1(
    tei_server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # it refuses even loopback
    expected = vectors(tei_server, TEXTS)
    assert expected.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-6)
    client = openai.OpenAI(base_url=f"{tei_server.url}/v1", api_key="none", max_retries=0)
    for form in ("float", "base64", openai.NOT_GIVEN):  # unset: openai asks for base64, and decodes it
        answer = client.embeddings.create(model=MODEL_ID, input=TEXTS, encoding_format=form)
        found = [each.embedding for each in answer.data]
        if form == "base64":
            found = [np.frombuffer(base64.b64decode(text), dtype="<f4") for text in found]
        np.testing.assert_array_equal(np.array(found, dtype=np.float32), expected)
        assert [each.index for each in answer.data] == [0, 1, 2]
        assert answer.model == MODEL_ID
        assert answer.usage.total_tokens > 20
    for route in ("/", "/invocations", "/embed"):
        found = np.array(post(tei_server, route, {"inputs": TEXTS}).json(), dtype=np.float32)
        np.testing.assert_array_equal(found, expected)
    hub = InferenceClient(tei_server.url, timeout=300)
    for text, vector in zip(TEXTS, expected, strict=True):
        np.testing.assert_array_equal(hub.feature_extraction(text)[0], vector)


def test_a_text_has_the_same_vector_alone_and_beside_others(tei_server: ServerProcess) -> None:
    expected = vectors(tei_server, TEXTS)
    np.testing.assert_array_equal(vectors(tei_server, [*TEXTS[::-1], LONG], truncate=True)[2::-1], expected)
    for text, vector in zip(TEXTS, expected, strict=True):
        np.testing.assert_array_equal(vectors(tei_server, text)[0], vector)


def test_what_is_too_long_is_refused_or_cut_at_the_asked_end(tei_server: ServerProcess) -> None:
    refused = post(tei_server, "/embed", {"inputs": LONG})
    assert refused.status_code == 413
    assert refused.json() == {
        "error": "Input validation error: `inputs` must have less than 512 tokens. Given: "
        + refused.json()["error"].rpartition(" ")[2],
        "error_type": "Validation",
    }
    ids = [token["id"] for token in post(tei_server, "/tokenize", {"inputs": LONG}).json()[0]]
    assert len(ids) == int(refused.json()["error"].rpartition(" ")[2]) > 512
    right, left = (
        vectors(tei_server, LONG, truncate=True, truncation_direction=way) for way in ("Right", "Left")
    )
    cut = vectors(tei_server, LONG, truncate=True)
    np.testing.assert_array_equal(cut, right)
    assert float((left @ right.T)[0, 0]) < 0.9999
    # What is beyond the 512th token changes nothing.
    np.testing.assert_array_equal(vectors(tei_server, LONG + "다른 끝", truncate=True), right)
    assert post(tei_server, "/embed", {"inputs": "가" * 200_000, "truncate": True}).status_code == 200
    assert "characters" in post(tei_server, "/embed", {"inputs": "가" * 200_000}).json()["error"]


def test_vectors_of_another_length_are_what_was_asked_for(tei_server: ServerProcess) -> None:
    whole = vectors(tei_server, TEXTS[0], normalize=False)[0]
    unit = vectors(tei_server, TEXTS[0])[0]
    np.testing.assert_allclose(whole / np.linalg.norm(whole), unit, atol=1e-6)
    assert abs(np.linalg.norm(whole) - 1) > 0.1
    short = vectors(tei_server, TEXTS[0], dimensions=8)[0]
    np.testing.assert_allclose(short, unit[:8] / np.linalg.norm(unit[:8]), atol=1e-6)


@pytest.mark.parametrize(
    ("body", "status", "error_type", "told"),
    [
        ({"inputs": []}, 400, "Empty", "`inputs` cannot be empty"),
        ({"inputs": ""}, 413, "Validation", "Input validation error: `inputs` cannot be empty"),
        ({"inputs": ["가", ""]}, 413, "Validation", "Input validation error: `inputs` cannot be empty"),
        ({"inputs": ["가"] * 33}, 413, "Validation", "batch size 33 > maximum allowed batch size 32"),
        ({"inputs": "가", "dimensions": 0}, 413, "Validation", "`dimensions` should be positive"),
        ({"inputs": "가", "dimensions": 385}, 413, "Validation", "smaller than the maximum"),
        ({"inputs": "가", "prompt_name": "query"}, 422, "Validation", "put `query: ` or `passage: ` before"),
        ({"inputs": "가", "truncation_direction": "left"}, 422, "Validation", "expected `Left` or `Right`"),
        ({"inputs": "가", "normalize": "yes"}, 422, "Validation", "normalize: invalid type"),
        ({"inputs": [[5, 6]]}, 422, "Validation", "token ids are not supported"),
        ({"inputs": {"a": 1}}, 422, "Validation", "inputs: invalid type: map"),
        ({"texts": "가"}, 422, "Validation", "missing field `inputs`"),
        ([], 422, "Validation", "invalid type: sequence"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why_in_teis_words(
    tei_server: ServerProcess, body: object, status: int, error_type: str, told: str
) -> None:
    answer = post(tei_server, "/invocations", body)
    assert (answer.status_code, answer.json()["error_type"]) == (status, error_type)
    assert told in answer.json()["error"]


def test_openais_client_reads_the_error(tei_server: ServerProcess) -> None:
    client = openai.OpenAI(base_url=f"{tei_server.url}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(model=MODEL_ID, input=["가"] * 33)
    assert caught.value.status_code == 413
    assert caught.value.response.json() == {
        "message": "batch size 33 > maximum allowed batch size 32", "code": 413, "type": "Validation",
    }  # fmt: skip


def test_the_server_says_what_it_serves(tei_server: ServerProcess) -> None:
    info = requests.get(f"{tei_server.url}/info", timeout=300).json()
    assert info["model_id"] == MODEL_ID
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (info["max_input_length"], info["max_client_batch_size"]) == (512, 32)
    assert any("a copy in 4 bits" in line for line in tei_server.output)
    for route in ("/ping", "/health", "/"):
        assert requests.get(tei_server.url + route, timeout=300).status_code == 200
