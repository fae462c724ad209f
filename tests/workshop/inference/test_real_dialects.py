"""Every dialect against a server that speaks it: text and chat, whole and streamed, give the same summary."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.server_process import BASE, REPO, ServerProcess

from workshop.inference import DIALECTS, Client, InferenceError, prompt_text
from workshop.prompt import chat_messages

MESSAGES = chat_messages("서울시는 12일 새 공원을 열었다. 시민을 위한 곳이라고 했다.")
TOO_LONG = "가 나 다 " * 1000  # for TGI more tokens of an answer than there are is no error
LIMITS = {"tgi": "MAX_TOTAL_TOKENS", "lmi": "OPTION_MAX_MODEL_LEN", "vllm": "SM_VLLM_MAX_MODEL_LEN"}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model with the workshop's chat template, as training writes its models."""
    folder = Path(shutil.copytree(BASE, tmp_path_factory.mktemp("chat") / "model"))
    shutil.copy(REPO / "src" / "train" / "chat_template.jinja", folder)
    return folder


@pytest.fixture(scope="module", params=DIALECTS)
def client(request: pytest.FixtureRequest, model_dir: Path) -> Iterator[Client]:
    with ServerProcess("--dialect", request.param, HF_MODEL_ID=str(model_dir)) as process:
        yield Client(process.ready().url, DIALECTS[request.param])


def test_text_and_chat_whole_and_streamed_are_the_same_answer(client: Client) -> None:
    answers = []
    for prompt in (prompt_text(MESSAGES), MESSAGES):
        whole = client.invoke(prompt, max_new_tokens=8)
        stream = client.stream(prompt, max_new_tokens=8)
        streamed = "".join(piece.text for piece in stream).strip()
        answers += [whole.text, streamed, stream.answer.text]
        assert whole.num_generated_tokens == stream.answer.num_generated_tokens == 8
        assert whole.finish_reason == stream.answer.finish_reason == "length"
        assert 1 <= len(stream.token_times_s) <= 8
    assert len(set(answers)) == 1
    assert answers[0]


def test_every_parameter_is_taken(client: Client) -> None:
    asked = {
        "max_new_tokens": 6, "temperature": 1.3, "top_p": 0.95, "top_k": 50, "repetition_penalty": 1.1,
        "seed": 5, "stop": ["\n\n"],
    }  # fmt: skip
    assert client.invoke("가나다", **asked).text == client.invoke("가나다", **asked).text
    chat = {name: asked[name] for name in asked if name not in client.dialect.chat_lacks}
    assert client.invoke(MESSAGES, **chat).text == client.invoke(MESSAGES, **chat).text


def test_the_limit_of_this_engine_is_named(client: Client) -> None:
    for prompt in (TOO_LONG, [{"role": "user", "content": TOO_LONG}]):
        with pytest.raises(InferenceError, match=f"{LIMITS[client.dialect.engine]} = 2048"):
            client.invoke(prompt, max_new_tokens=5)
        with pytest.raises(InferenceError, match=f"{LIMITS[client.dialect.engine]} = 2048"):
            list(client.stream(prompt, max_new_tokens=5))
