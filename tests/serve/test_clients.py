"""Clients written for TGI work unmodified."""

from __future__ import annotations

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import ValidationError
from tests.serve.server_process import ServerProcess


@pytest.fixture
def client(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> InferenceClient:
    # Offline it refuses even loopback.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return InferenceClient(server.url, timeout=60)


def test_hugging_faces_client_reads_text_details_and_streams(client: InferenceClient) -> None:
    asked = {"max_new_tokens": 12, "stop": ["없는 글"]}
    text = client.text_generation("안녕하세요", return_full_text=False, **asked)
    details = client.text_generation("안녕하세요", details=True, return_full_text=False, **asked)
    streamed = list(client.text_generation("안녕하세요", stream=True, **asked))
    detailed = list(client.text_generation("안녕하세요", stream=True, details=True, **asked))
    assert text
    assert details.generated_text == text
    assert details.details.generated_tokens == 12
    assert "".join(streamed) == text
    assert detailed[-1].details.finish_reason == "length"
    assert [item.token.id for item in detailed] == [token.id for token in details.details.tokens]


def test_hugging_faces_client_raises_its_validation_error(client: InferenceClient) -> None:
    with pytest.raises(ValidationError, match="`top_p` must be"):
        client.text_generation("안녕", top_p=1.5)
    with pytest.raises(ValidationError, match="`top_p` must be"):
        list(client.text_generation("안녕", top_p=1.5, stream=True))
